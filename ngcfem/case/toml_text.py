"""TOML text: reading with findings a user understands, and writing values back."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ngcfem.errors import Finding, InputError

_POSITION = re.compile(r" \(at line (\d+), column (\d+)\)$")
_DECLARED_TWICE = re.compile(r"Cannot declare \((.*)\) twice")
_END_OF_DOCUMENT = " (at end of document)"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

_EXPLANATIONS: tuple[tuple[str, str, str], ...] = (
    (
        "Cannot overwrite a value",
        "each key once in its table",
        "delete one of the two lines",
    ),
    (
        "Cannot declare",
        "each [table] once; several [[table]] of the same name make a list",
        "merge the two tables, or write double brackets if a list is meant",
    ),
    (
        "Unterminated string",
        "text between two double quotes on one line",
        "close the quotes",
    ),
    (
        "Invalid value",
        'a number (1.5, 1e-3), true or false, "text", [list] or { table }',
        "put text in double quotes; write decimal points, not commas",
    ),
    (
        "Expected newline",
        "one key = value on a line",
        "start a new line; write decimal points, not commas",
    ),
    ("Expected '='", "key = value", "write an equals sign between the key and its value"),
    ("Unclosed array", "as many ] as [", "close the list"),
)


def read_bytes(path: Path, what: str) -> bytes:
    """Read a file that a user named.

    Parameters
    ----------
    path : Path
        File to read.
    what : str
        What the file is, for the message.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    InputError
        If it does not exist, is a directory, or may not be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        found, remedy = "no such file", "check the name; paths are relative to where you are"
    except (IsADirectoryError, NotADirectoryError):
        found, remedy = "a directory, not a file", f"name the {what} itself"
    except PermissionError:
        found, remedy = "a file that may not be read", "ask for permission to read it"
    raise InputError([Finding(str(path), "(file)", found, f"a {what}", remedy)])


def decode_text(content: bytes, file: str) -> str:
    """Decode the bytes of a text file.

    Parameters
    ----------
    content : bytes
        Content of the file.
    file : str
        Name of the file, for the message.

    Returns
    -------
    str
        The text without a byte-order mark.

    Raises
    ------
    InputError
        If it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        encoding = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "not UTF-8"
        raise InputError(
            [
                Finding(
                    file,
                    f"line {line}",
                    f"encoding {encoding}: byte 0x{content[error.start]:02x} at offset "
                    f"{error.start}",
                    "UTF-8 text",
                    "save the file with the encoding UTF-8",
                )
            ]
        ) from None


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Parse TOML text.

    Parameters
    ----------
    text : str
        The text.
    file : str
        Name of the file, for the message.

    Returns
    -------
    dict
        The document.

    Raises
    ------
    InputError
        If the text is not TOML; the finding names the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
    lines = text.splitlines() or [""]
    position = _POSITION.search(message)
    if position:
        line, column = int(position[1]), int(position[2])
        message = message[: position.start()]
    else:
        filled = [n for n, content in enumerate(lines, start=1) if content.strip()]
        line, column = (filled[-1] if filled else 1), 1
        message = message.removesuffix(_END_OF_DOCUMENT)
    allowed, remedy = "TOML: key = value lines under [section] headings", "correct the line"
    for start, allowed_here, remedy_here in _EXPLANATIONS:
        if message.startswith(start):
            allowed, remedy = allowed_here, remedy_here
            break
    content = lines[min(line, len(lines)) - 1].strip()
    if message.startswith("Cannot overwrite a value"):
        message = "the same key twice"
    declared = _DECLARED_TWICE.fullmatch(message)
    if declared:
        message = "the table " + ".".join(re.findall(r"'([^']*)'", declared[1])) + " twice"
    raise InputError(
        [
            Finding(
                file,
                f"line {line}, column {column}",
                f"{message}: {content[:80]}" if content else message,
                allowed,
                remedy,
            )
        ]
    )


def toml_key(key: str) -> str:
    """Write a key, quoted where TOML needs it.

    Parameters
    ----------
    key : str
        The key.

    Returns
    -------
    str
        Its TOML text.
    """
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)


def toml_value(value: Any) -> str:
    """Write one value as TOML on one line.

    Parameters
    ----------
    value : bool, int, float, str, sequence or mapping
        The value.

    Returns
    -------
    str
        Its TOML text; parsing it gives the value back exactly.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        # A TOML basic string takes the escapes of JSON; it also wants DEL escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        items = ", ".join(f"{toml_key(str(k))} = {toml_value(v)}" for k, v in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return str(value)
