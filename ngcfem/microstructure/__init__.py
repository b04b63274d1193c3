"""Statistics to periodic geometry: tessellation, packing, cell."""
