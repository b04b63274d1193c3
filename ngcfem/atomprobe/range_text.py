"""Reading range files as text: encodings, numbers and lines that are wrong."""

import math
import re
from pathlib import Path

from ngcfem.errors import Finding, InputError

_LARGEST_BYTES = 4_000_000
_NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d{1,3})?")


def read_lines(path: Path) -> list[str]:
    """Read a small text file.

    Parameters
    ----------
    path : Path
        File in UTF-8, in UTF-16 with a byte order mark, or in the 8-bit set of western Europe.

    Returns
    -------
    list of str
        Its lines, whatever ends them.

    Raises
    ------
    InputError
        If the file is missing, empty, too large for a range file, or no text.
    """
    allowed = "a text file of ranges (.rrng, .rng or .env)"

    def refuse(key: str, found: str, remedy: str) -> InputError:
        return InputError([Finding(str(path), key, found, allowed, remedy)])

    try:
        size = path.stat().st_size
        if size > _LARGEST_BYTES:
            found = f"{size} bytes"
            raise refuse("file", found, f"a range file has less than {_LARGEST_BYTES} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise refuse("file", str(error.strerror), "check the path") from error
    if not content.strip():
        raise refuse("file", "an empty file", "export the ranges again")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16").splitlines()
        except UnicodeDecodeError as error:
            key = f"byte {error.start}"
            raise refuse(key, "UTF-16 that breaks off", "save the file as UTF-8") from error
    if b"\0" in content:
        key = f"byte {content.index(0)}"
        raise refuse(key, "a zero byte: binary data, or another encoding", "save it as UTF-8 text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Older programs write names and units in the 8-bit set; numbers are the same in both.
        text = content.decode("latin-1")
    return text.splitlines()


def number_of(text: str) -> float | None:
    """Read a number with a decimal point or comma.

    Parameters
    ----------
    text : str
        A word of the file.

    Returns
    -------
    float or None
        None if it is no finite number.
    """
    if not _NUMBER.fullmatch(text) or len(text) > 40:
        return None
    value = float(text.replace(",", "."))
    return value if math.isfinite(value) else None


def colour_of(red: float, green: float, blue: float) -> str | None:
    """Turn the components of a colour into its hexadecimal form.

    Parameters
    ----------
    red, green, blue : float
        From 0 to 1.

    Returns
    -------
    str or None
        ``#rrggbb``; None if a component lies outside.
    """
    parts = (red, green, blue)
    if not all(0.0 <= part <= 1.0 for part in parts):
        return None
    return "#" + "".join(f"{round(255.0 * part):02x}" for part in parts)


class LineFindings:
    """Collects what is wrong with the lines of one file.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []

    def error(self, key: str, found: str, allowed: str, remedy: str) -> None:
        """Note something that makes the file unusable.

        Parameters
        ----------
        key, found, allowed, remedy : str
            As in `Finding`.
        """
        self.errors.append(Finding(str(self._path), key, found[:120], allowed, remedy))

    def warn(self, key: str, found: str, allowed: str, remedy: str) -> None:
        """Note something odd.

        Parameters
        ----------
        key, found, allowed, remedy : str
            As in `Finding`.
        """
        self.warnings.append(Finding(str(self._path), key, found[:120], allowed, remedy))
