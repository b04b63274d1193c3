"""Case files: schema, and the one translator from a case to domain objects."""
