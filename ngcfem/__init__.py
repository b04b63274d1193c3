"""From an atom-probe map of a nanoglass-nanocrystal composite to a compared stress-strain curve."""

__version__ = "0.1.0"
