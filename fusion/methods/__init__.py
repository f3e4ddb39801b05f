"""Sources that need no training: the two controls, average, maximum, Laplacian pyramid, guided filter."""
