"""Case files: their shape, their checks and their translation into domain objects."""
