"""Strict scores of named-entity recognition on character spans."""
