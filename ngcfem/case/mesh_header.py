"""Phase names of a Gmsh file, read without Gmsh so that a case can be checked anywhere."""

from pathlib import Path

from ngcfem.mesh.body_phases import physical_names


def physical_body_names(path: Path, dimension: int = 3) -> tuple[str, ...] | None:
    """Names of the physical volumes of a .msh file, or of its surfaces for a plane mesh.

    Parameters
    ----------
    path : Path
        Gmsh file, format 2.2 or 4.1, ASCII or binary: the section of names is text in all of them.
    dimension : int
        3, or 2 for the names of surfaces.

    Returns
    -------
    tuple of str or None
        The names in the order of the file; None if the file cannot be read or has no names, which
        the mesh reader reports with the rest that is wrong with it.
    """
    names = physical_names(path)
    return tuple(name for (of, _), name in names.items() if of == dimension) or None
