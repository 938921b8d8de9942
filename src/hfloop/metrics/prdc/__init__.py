"""Precision, recall, density and coverage of generated features."""
