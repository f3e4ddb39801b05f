"""Tables, figures and the PDF, made from stored results only; nothing here runs a model."""
