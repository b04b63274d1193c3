"""Pillar data and the comparison of a curve with it."""
