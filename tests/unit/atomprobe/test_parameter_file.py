"""Parameters of an analysis from a TOML file: defaults, changes, and every error at once."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ngcfem.atomprobe.parameter_file import parameter_values, read_parameters, with_parameter
from ngcfem.errors import InputError


@dataclass(frozen=True)
class _Inner:
    width_nm: float = 0.5
    rounds: int = 3


@dataclass(frozen=True)
class _Outer:
    voxel_nm: float = 0.4
    name: str = "Sc"
    inner: _Inner = field(default_factory=_Inner)


def _read(tmp_path: Path, text: str) -> _Outer:
    path = tmp_path / "parameters.toml"
    path.write_text(text, encoding="utf-8")
    return read_parameters(path, _Outer)


def test_what_is_not_named_keeps_its_default(tmp_path):
    assert _read(tmp_path, "") == _Outer()
    assert _read(tmp_path, "voxel_nm = 1\n[inner]\nrounds = 5\n") == _Outer(
        1.0, "Sc", _Inner(0.5, 5)
    )


def test_every_error_is_found_at_once(tmp_path):
    text = 'voxel_nm = "wide"\nvoxels = 3\n[inner]\nrounds = 2.5\nwidth_nm = 2024-01-01\n'
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text)
    findings = {entry.key: entry for entry in caught.value.findings}
    assert set(findings) == {"voxel_nm", "voxels", "inner.rounds", "inner.width_nm"}
    assert "inner.width_nm" in findings["voxels"].allowed
    assert findings["voxel_nm"].found == "'wide'"


@pytest.mark.parametrize("text", ["voxel_nm = ", "\xff"])
def test_text_that_is_no_toml_is_refused(tmp_path, text):
    path = tmp_path / "parameters.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"parameters\.toml"):
        read_parameters(path, _Outer)
    with pytest.raises(InputError, match="No such file"):
        read_parameters(tmp_path / "none.toml", _Outer)


def test_parameters_are_named_and_changed_one_by_one():
    assert parameter_values(_Outer()) == {
        "voxel_nm": 0.4,
        "name": "Sc",
        "inner.width_nm": 0.5,
        "inner.rounds": 3,
    }
    assert with_parameter(_Outer(), "inner.rounds", 7).inner == _Inner(0.5, 7)
    assert with_parameter(_Outer(), "voxel_nm", 1.0) == _Outer(voxel_nm=1.0)
