"""The inception score of class probabilities."""
