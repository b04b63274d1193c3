"""Increments, curves, run directories and fields."""
