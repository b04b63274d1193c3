"""Files that are there whole or not at all: write beside, fsync, rename."""

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.errors import ResourceError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_file_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let a function write a file, and give the file its name once it is complete.

    Parameters
    ----------
    path : Path
        Final name; an older file of that name is replaced.
    write : callable
        Called with a temporary path, of the same suffix and in the same directory, that it fills.

    Raises
    ------
    ResourceError
        If the disk or the quota is full.

    Notes
    -----
    1. ``write`` fills a temporary file in the directory of ``path``.
    2. The temporary file is synchronized to disk and renamed to ``path``, which is atomic.
    3. The directory is synchronized, so that the new name survives a power failure as well.

    A process killed at any point leaves the old file, or the new one, and at worst a stray
    temporary file whose name starts with a dot.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        write(temporary)
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
        synchronize_directory(path.parent)
    except OSError as error:
        if error.errno in _FULL:
            raise ResourceError(
                f"{path}: no disk space is left ({error.strerror}). What was there before is "
                "unchanged; free space and resume."
            ) from error
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def synchronize_directory(directory: Path) -> None:
    """Bring the names in a directory to disk.

    Parameters
    ----------
    directory : Path
        Directory in which a file was created, renamed or removed.
    """
    # Some network file systems refuse fsync on a directory; the rename itself is still atomic.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write bytes whole or not at all.

    Parameters
    ----------
    path : Path
        File to write.
    content : bytes
        What it shall hold.

    Raises
    ------
    ResourceError
        If the disk or the quota is full.
    """
    write_file_atomically(path, lambda temporary: _write_plainly(temporary, content))


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all.

    Parameters
    ----------
    path : Path
        File to write.
    text : str
        What it shall hold.

    Raises
    ------
    ResourceError
        If the disk or the quota is full.
    """
    write_bytes_atomically(path, text.encode("utf-8"))


def write_json_atomically(path: Path, value: Any) -> None:
    """Write a JSON document whole or not at all.

    Parameters
    ----------
    path : Path
        File to write.
    value : object
        Mappings, sequences, numbers, strings, paths and numpy arrays, nested as you like.

    Raises
    ------
    ResourceError
        If the disk or the quota is full.
    """
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text_atomically(path, text + "\n")


def plain(value: Any) -> Any:
    """Turn numpy objects, paths and non-finite numbers into what JSON can hold.

    Parameters
    ----------
    value : object
        Mappings, sequences, numbers, strings, paths and numpy arrays, nested as you like.

    Returns
    -------
    object
        The same in dicts, lists, strings, numbers, booleans and None; NaN and infinities become
        None, because JSON has no word for them.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence | set | frozenset):
        return [plain(entry) for entry in value]
    raise TypeError(f"no JSON form for {type(value).__name__}: {value!r}")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, forgivingly.

    Parameters
    ----------
    path : Path
        File.

    Returns
    -------
    dict
        Its content; empty if the file is missing or holds no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_plainly(path: Path, content: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(content)
