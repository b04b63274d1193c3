"""Macroscopic load paths."""
