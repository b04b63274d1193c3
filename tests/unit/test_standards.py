"""The rules of the code base, each as a test: style, types, layers, docstrings and names."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate

import ngcfem

ROOT = Path(ngcfem.__file__).resolve().parents[1]
PACKAGE = ROOT / "ngcfem"

HEAVY_PACKAGES = (
    "dolfinx",
    "gmsh",
    "jax",
    "matplotlib",
    "mpi4py",
    "petsc4py",
    "pyvista",
    "scipy",
    "vtkmodules",
)

BANNED_MODULE_NAMES = {"utils", "helpers", "common", "base", "manager"}

# Written so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.~})<\]/-])/(?:work|root|tmp|home)(?:/|\b)")
# Addresses a reader may follow; any other, that of a package registry above all, is refused.
ADDRESS = re.compile(
    r"\b(?:https?|ftp|git|ssh)://(?!(?:doi|json-schema|keepachangelog|www\.apache)\.)[\w.-]+"
)


def run_tool(*command: str) -> None:
    """Run a tool of this environment in the root of the project, and fail with what it says."""
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        pytest.fail(f"{' '.join(command)}\n{finished.stdout}{finished.stderr}", pytrace=False)


def project_files() -> list[Path]:
    """Every file that is committed or would be by ``git add``; all files where there is no git."""
    if not (ROOT / ".git").exists():
        return [
            path
            for path in ROOT.rglob("*")
            if path.is_file()
            and not any(
                part.startswith(".") or part in ("__pycache__", "build", "runs")
                for part in path.relative_to(ROOT).parts[:-1]
            )
        ]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    paths = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def module_names() -> list[str]:
    """Return the dotted name of every module of the package."""
    found = pkgutil.walk_packages(ngcfem.__path__, "ngcfem.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def public_objects(module_name: str) -> Iterator[tuple[str, Any]]:
    """Give each public function, class and method that a module defines, with its dotted name."""
    module = importlib.import_module(module_name)
    for name, found in vars(module).items():
        # A function that JAX has compiled carries the one it was made from.
        thing = inspect.unwrap(found) if callable(found) else found
        if name.startswith("_") or getattr(thing, "__module__", None) != module_name:
            continue
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        yield f"{module_name}.{name}", thing
        if not inspect.isclass(thing):
            continue
        for member_name, member in vars(thing).items():
            if member_name.startswith("_"):
                continue
            if isinstance(member, (staticmethod, classmethod)):
                member = member.__func__
            if isinstance(member, property) or inspect.isfunction(member):
                yield f"{module_name}.{name}.{member_name}", member


def has_own_parameters(thing: Any) -> bool:
    """Tell whether the parameters of an object are for its docstring to document.

    Not so for a class whose constructor is inherited from outside the package, and for a pydantic
    model, whose fields carry their descriptions themselves.
    """
    if not inspect.isclass(thing):
        return True
    if issubclass(thing, pydantic.BaseModel):
        return False
    if dataclasses.is_dataclass(thing) or hasattr(thing, "_fields"):
        return True
    return inspect.isfunction(thing.__init__) and thing.__init__.__module__.startswith("ngcfem.")


def docstring_findings(module_name: str, checks: set[str]) -> list[str]:
    """Return what the numpydoc checks find in the public objects of a module."""
    findings = []
    for name, thing in public_objects(module_name):
        for code, message in validate(get_doc_object(thing))["errors"]:
            if code in checks and (has_own_parameters(thing) or not code.startswith("PR")):
                findings.append(f"{name}: {code} {message}")
    return findings


def test_ruff_check():
    run_tool(sys.executable, "-m", "ruff", "check", "--quiet", ".")


def test_ruff_format():
    run_tool(sys.executable, "-m", "ruff", "format", "--check", "--quiet", ".")


def test_types():
    run_tool(sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable)


def test_layers():
    run_tool(str(Path(sys.executable).with_name("lint-imports")), "--no-logo")


def test_docstrings():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    checks = set(settings["tool"]["numpydoc_validation"]["checks"])
    findings = [finding for name in module_names() for finding in docstring_findings(name, checks)]
    assert not findings, "\n".join(findings)


def test_docstring_checks_see_a_missing_parameter(tmp_path, monkeypatch):
    (tmp_path / "ngcfem_undocumented.py").write_text(
        "from dataclasses import dataclass\n"
        "def stretch(strain, /):\n"
        '    """Return the stretch."""\n'
        "    return strain\n"
        "@dataclass\n"
        "class State:\n"
        '    """A state."""\n'
        "    strain: float\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    findings = docstring_findings("ngcfem_undocumented", {"PR01", "RT01"})
    assert [finding.split(" ")[1] for finding in findings] == ["PR01", "RT01", "PR01"]


def test_fields_of_the_text_boundary_are_described():
    undescribed = [
        f"{name}.{field}"
        for module_name in module_names()
        for name, thing in public_objects(module_name)
        if inspect.isclass(thing) and issubclass(thing, pydantic.BaseModel)
        for field, information in thing.model_fields.items()
        if not information.description
    ]
    assert not undescribed, "\n".join(undescribed)


@pytest.mark.parametrize("module_name", ["ngcfem", "ngcfem.cli.main"])
def test_import_stays_light(module_name):
    program = (
        f"import sys, {module_name}\n"
        f"print(*sorted(set({HEAVY_PACKAGES}) & {{name.split('.')[0] for name in sys.modules}}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == []


def imported_packages(path: Path) -> list[str]:
    """Return the packages that a module imports when it is imported itself, in order."""
    names = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append((node.module or "").split(".")[0])
    return names


def test_mpi_comes_first():
    late = []
    for path in PACKAGE.rglob("*.py"):
        names = imported_packages(path)
        solver = [names.index(name) for name in ("dolfinx", "petsc4py") if name in names]
        if solver and "mpi4py" not in names[: min(solver)]:
            late.append(str(path.relative_to(ROOT)))
    assert not late, "the solver finds its MPI library only after mpi4py has loaded it"


def test_package_files_import_nothing():
    importing = [
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("__init__.py")
        if any(
            isinstance(node, (ast.Import, ast.ImportFrom))
            for node in ast.walk(ast.parse(path.read_text()))
        )
    ]
    assert not importing


def test_module_names_say_what_they_hold():
    banned = [path for path in PACKAGE.rglob("*.py") if path.stem in BANNED_MODULE_NAMES]
    assert not banned


def forbidden_addresses(text: str) -> list[str]:
    """Return the paths of a machine and the addresses that a text may not name."""
    return [
        match.group() for pattern in (MACHINE_PATH, ADDRESS) for match in pattern.finditer(text)
    ]


def test_no_file_names_a_machine_or_a_package_registry():
    findings = {}
    for path in project_files():
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            findings[str(path.relative_to(ROOT))] = forbidden_addresses(
                content.decode(errors="replace")
            )
    assert {name: found for name, found in findings.items() if found} == {}
    assert "pyproject.toml" in findings


def test_addresses_are_recognized():
    named = ["see /" + "tmp/x.msh", 'path = "/' + 'home/user"', "https:/" + "/index.example/simple"]
    allowed = [
        "runs/work/x",
        "../tmp/y",
        "3 nm/work",
        "$HOME/tmp",
        "</root>",
        "https://doi.org/10.1/x",
    ]
    assert all(forbidden_addresses(text) for text in named)
    assert not any(forbidden_addresses(text) for text in allowed)
