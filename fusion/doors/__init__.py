"""The ways in for fusion methods that are not part of the package."""
