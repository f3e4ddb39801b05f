"""Training of fusion networks: one loop for all methods, a recipe per method."""
