"""The Fréchet distance between two sets of features."""
