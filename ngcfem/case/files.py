"""Files that a case file names."""

import os
from pathlib import Path

from ngcfem.errors import Finding


def locate(directory: Path, name: str) -> Path:
    """Path of a file that a case file names.

    Parameters
    ----------
    directory : Path
        Directory of the case file.
    name : str
        The name as written.

    Returns
    -------
    Path
        The name itself if absolute, else relative to the case file.
    """
    return directory / Path(name).expanduser()


def missing_file(directory: Path, name: str, what: str, file: str, key: str) -> list[Finding]:
    """Look whether a file that a case names is there.

    Parameters
    ----------
    directory : Path
        Directory of the case file.
    name : str
        The name as written.
    what : str
        What the file is, for the message.
    file : str
        Name of the case file.
    key : str
        Key that names the file.

    Returns
    -------
    list of Finding
        One if the file is missing, else none.
    """
    path = locate(directory, name)
    # Unlike Path.is_file, this takes a name that no file can have.
    if os.path.isfile(path):
        return []
    found = "a directory" if os.path.isdir(path) else "no such file"
    return [
        Finding(
            file,
            key,
            f'"{name}": {found}',
            f"{what}, relative to {directory}",
            "check the name and the place of the file",
        )
    ]
