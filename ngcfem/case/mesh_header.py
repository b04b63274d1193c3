"""Phase names of a Gmsh file, read without Gmsh so that a case can be checked anywhere."""

import re
from pathlib import Path

_SECTION = re.compile(rb"\$PhysicalNames\s*\n(.*?)\$EndPhysicalNames", re.DOTALL)
_NAME = re.compile(r'^\s*(\d+)\s+(-?\d+)\s+"(.*)"\s*$')


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
    try:
        content = path.read_bytes()
    except OSError:
        return None
    section = _SECTION.search(content)
    if section is None:
        return None
    lines = section[1].decode("utf-8", errors="replace").splitlines()
    entries = [match for line in lines if (match := _NAME.match(line))]
    return tuple(match[3] for match in entries if match[1] == str(dimension)) or None
