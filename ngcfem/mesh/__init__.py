"""Periodic tetrahedral meshes: generation with Gmsh, reading, pairing, quality."""
