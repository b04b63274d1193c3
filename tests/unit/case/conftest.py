"""A small sound case to vary."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ngcfem.case.schema import Case, load_case

TEXT = """\
schema_version = 1
title = "One phase"

[microstructure]
kind = "homogeneous"
phase = "grain"

[mesh]
size_nm = 3.0

[[phase]]
name = "grain"
law = "j2"
parameters = { youngs_modulus_gpa = 140.0, poisson_ratio = 0.33, yield_strength_gpa = 2.5 }

[load]
kind = "uniaxial-stress"
true_strain = -0.1
"""


@pytest.fixture
def text() -> str:
    return TEXT


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Case]:
    """Return a loader of the sound case with pairs of old and new text exchanged."""

    def load_varied(*changes: tuple[str, str], name: str = "case.toml") -> Case:
        varied = TEXT
        for old, new in changes:
            assert old in varied
            varied = varied.replace(old, new)
        path = tmp_path / name
        path.write_text(varied)
        return load_case(path)

    return load_varied
