"""One module per data set: how to recognise it and where its parts lie."""
