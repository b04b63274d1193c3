"""Bounds, effective stiffness and the material-point driver."""
