"""Laws of a user's own, named in a case file by their Python file and class.

Free of any numerical library until such a file is read.
"""

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ngcfem.constitutive.parameter_specification import ParameterSpec

_REFERENCE = re.compile(r"^(?P<file>.+\.py):(?P<law>[A-Za-z_]\w*)$")
_SHAPE = '"file.py:ClassName", the file relative to the file that names it'
_BASE = ("ngcfem.constitutive.own_law", "OwnLaw")


class LawFileError(ValueError):
    """A law of a user's own that cannot be used.

    Parameters
    ----------
    found, allowed, remedy : str
        As in a finding.
    """

    def __init__(self, found: str, allowed: str, remedy: str) -> None:
        super().__init__(f"{found}; allowed: {allowed}; {remedy}")
        self.found = found
        self.allowed = allowed
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the three texts, so that the error travels between MPI ranks."""
        return type(self), (self.found, self.allowed, self.remedy)


def names_law_file(law: object) -> bool:
    """Whether a name of a law is meant as a file with a class.

    Parameters
    ----------
    law : object
        Name as written.

    Returns
    -------
    bool
        True for a text with ``.py`` in it; no built-in law has that.
    """
    return isinstance(law, str) and ".py" in law


def located_law(law: str, directory: Path) -> str:
    """Name a law by the absolute path of its file.

    Parameters
    ----------
    law : str
        Built-in name, or ``file.py:ClassName``.
    directory : Path
        Directory of the file that names the law.

    Returns
    -------
    str
        The same for a built-in law, and for a name of another shape.
    """
    match = _REFERENCE.match(law)
    return law if match is None else f"{(directory / match['file']).resolve()}:{match['law']}"


def law_file(law: str) -> Path | None:
    """File of a law.

    Parameters
    ----------
    law : str
        Name of a law.

    Returns
    -------
    Path or None
        None for a built-in law.
    """
    match = _REFERENCE.match(law)
    return None if match is None else Path(match["file"])


def law_class_name(law: str) -> str:
    """Name of a law without its file.

    Parameters
    ----------
    law : str
        Name of a law.

    Returns
    -------
    str
        The class; a built-in name as it is.
    """
    match = _REFERENCE.match(law)
    return law if match is None else match["law"]


@cache
def law_from_file(law: str) -> Any:
    """Make the law that a file defines; later calls give the same object.

    Parameters
    ----------
    law : str
        ``file.py:ClassName``.

    Returns
    -------
    OwnLaw
        An instance of the class.

    Raises
    ------
    LawFileError
        If there is no such file or class, the file raises an error, or the law is not sound.

    Notes
    -----
    The file is run, as a script would be. Every MPI rank reads it for itself on first use, so that
    a law travels between processes as its name.
    """
    match = _REFERENCE.match(law)
    if match is None:
        raise LawFileError(f'"{law}"', _SHAPE, "name the class behind a colon")
    path = Path(match["file"])
    if not path.is_file():
        raise LawFileError(f"{path}: no such file", _SHAPE, "check the path")
    defined: Any = getattr(_module(path), match["law"], None)
    classes = getattr(defined, "__mro__", ())
    # Compared by name: importing the base class here would load JAX for every case file.
    if _BASE not in [(each.__module__, each.__name__) for each in classes]:
        raise LawFileError(
            f"no law {match['law']} in {path}",
            "a class derived from ngcfem.constitutive.own_law.OwnLaw",
            "check the name of the class and its base",
        )
    made, problems = _made(defined)
    if problems:
        raise LawFileError(
            f"{match['law']} in {path}: " + "; ".join(problems),
            "a law as docs/writing_a_law.md describes it",
            "correct the file",
        )
    return made


def _made(defined: Any) -> tuple[Any, list[str]]:
    """An object of the class, and what is wrong with it; the author's code may raise anything."""
    made = None
    try:
        made = defined()
        return made, [*_wrong_parameters(made.parameters), *made.problems()]
    except Exception as error:
        return made, [_in_words(error)]


def _module(path: Path) -> ModuleType:
    name = f"ngcfem_law_{path.stem}_{abs(hash(str(path))):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass or NamedTuple in the file looks its module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise LawFileError(
            f"{path} cannot be imported: {_in_words(error)}",
            "a Python file that runs without an error",
            f"correct it; `python {path.name}` shows where it fails",
        ) from error
    return module


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _wrong_parameters(parameters: Any) -> list[str]:
    if not isinstance(parameters, tuple) or not all(
        isinstance(spec, ParameterSpec) for spec in parameters
    ):
        return ["parameters is no tuple of ParameterSpec"]
    names = [spec.name for spec in parameters]
    twice = sorted({name for name in names if names.count(name) > 1})
    wrong = [f"parameter {name} stands there twice" for name in twice]
    return wrong + [
        f"the default {spec.default:g} of {spec.name} is not {spec.allowed}"
        for spec in parameters
        if spec.default is not None and not spec.accepts(spec.default)
    ]
