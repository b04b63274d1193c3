"""Atom probe data and the statistics file that microstructures are made from."""
