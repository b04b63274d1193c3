"""The file curve.csv."""

import numpy as np
import pytest

from ngcfem.errors import InputError
from ngcfem.results import atomic
from ngcfem.results.history import (
    CURVE_COLUMNS,
    CurveWriter,
    History,
    read_curve,
    write_curve,
)

CONTRACT = (
    "increment,time_s,true_strain,true_stress_gpa,engineering_strain,engineering_stress_gpa,"
    "F11,F12,F13,F21,F22,F23,F31,F32,F33,"
    "P11_gpa,P12_gpa,P13_gpa,P21_gpa,P22_gpa,P23_gpa,P31_gpa,P32_gpa,P33_gpa,"
    "newton_iterations,linear_iterations,cutbacks,wall_s,requested"
)


def test_columns_are_those_of_the_contract(tmp_path, compression):
    path = tmp_path / "curve.csv"
    write_curve(path, History.from_increments(compression, "z", "finite"))
    lines = path.read_text().splitlines()
    assert lines[0] == CONTRACT == ",".join(CURVE_COLUMNS)
    assert len(lines) == 1 + len(compression)
    first = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert first["increment"] == "0"
    assert first["requested"] == "1"
    assert float(first["F11"]) == 1.0
    assert float(first["true_stress_gpa"]) == 0.0


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_file_reads_back_to_the_last_bit(tmp_path, compression, axis, kinematics):
    turn = {"x": [2, 0, 1], "y": [1, 2, 0], "z": [0, 1, 2]}[axis]
    history = History.from_increments(compression, "z", "finite")
    turned = History(
        history.increment,
        history.requested,
        history.time_s,
        history.deformation_gradient[:, turn][:, :, turn],
        history.first_piola_kirchhoff_stress[:, turn][:, :, turn],
        axis,
        kinematics,
        history.effort,
    )
    path = tmp_path / "curve.csv"
    write_curve(path, turned)
    again = read_curve(path)
    assert (again.axis, again.kinematics) == (axis, kinematics)
    np.testing.assert_array_equal(again.deformation_gradient, turned.deformation_gradient)
    np.testing.assert_array_equal(
        again.first_piola_kirchhoff_stress, turned.first_piola_kirchhoff_stress
    )
    np.testing.assert_array_equal(again.time_s, turned.time_s)
    assert again.effort is not None
    assert turned.effort is not None
    np.testing.assert_array_equal(again.effort.wall_s, turned.effort.wall_s)
    np.testing.assert_array_equal(again.effort.cutbacks, turned.effort.cutbacks)
    write_curve(tmp_path / "again.csv", again)
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


def test_drive_without_effort_leaves_its_columns_out(tmp_path, compression):
    history = History.from_increments(compression, "z", "finite")
    bare = History(
        history.increment,
        history.requested,
        history.time_s,
        history.deformation_gradient,
        history.first_piola_kirchhoff_stress,
        "z",
        "finite",
    )
    write_curve(tmp_path / "curve.csv", bare)
    header = (tmp_path / "curve.csv").read_text().splitlines()[0]
    assert "newton_iterations" not in header
    assert header.endswith("P33_gpa,requested")
    assert read_curve(tmp_path / "curve.csv").effort is None


def test_writer_leaves_a_readable_file_after_each_row(tmp_path, compression):
    path = tmp_path / "curve.csv"
    writer = CurveWriter(path, "z", "finite")
    for rows, step in enumerate(compression, start=1):
        writer.append(step)
        assert read_curve(path).increment.size == rows == writer.number_of_rows
    write_curve(tmp_path / "whole.csv", History.from_increments(compression, "z", "finite"))
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_kill_while_writing_leaves_the_rows_before(tmp_path, compression, monkeypatch):
    path = tmp_path / "curve.csv"
    writer = CurveWriter(path, "z", "finite")
    for step in compression[:5]:
        writer.append(step)

    class KilledError(BaseException):
        pass

    def kill(*arguments):
        raise KilledError

    for victim in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(atomic.os, victim, kill)
            with pytest.raises(KilledError):
                writer.append(compression[5])
        assert read_curve(path).increment.tolist() == [0, 1, 2, 3, 4]
    writer.append(compression[5])
    assert read_curve(path).increment.tolist() == [0, 1, 2, 3, 4, 5]


def test_resume_drops_rows_behind_the_checkpoint(tmp_path, compression):
    path = tmp_path / "curve.csv"
    writer = CurveWriter(path, "z", "finite")
    for step in compression[:10]:
        writer.append(step)
    resumed = CurveWriter(path, "z", "finite", keep_rows=7)
    assert read_curve(path).increment.size == 10
    for step in compression[7:]:
        resumed.append(step)
    write_curve(tmp_path / "whole.csv", History.from_increments(compression, "z", "finite"))
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    with pytest.raises(InputError, match="at least the 99 rows"):
        CurveWriter(path, "z", "finite", keep_rows=99)


def test_rows_at_requested_increments(build_increments):
    from dataclasses import replace

    steps = build_increments([-0.1, -0.15, -0.2])
    steps[2] = replace(steps[2], requested=False)
    history = History.from_increments(steps, "z", "finite").at_requested()
    assert history.increment.tolist() == [0, 1, 3]
    assert history.effort is not None
    assert history.effort.wall_s.tolist() == [0.0, 1.5, 4.5]


def test_wrong_files_are_told_with_all_findings(tmp_path, compression):
    with pytest.raises(InputError, match="No such file"):
        read_curve(tmp_path / "absent.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_curve(binary)
    short = tmp_path / "short.csv"
    short.write_text("increment,time_s\n0,0\n")
    with pytest.raises(InputError) as caught:
        read_curve(short)
    assert len(caught.value.findings) == 23
    good = tmp_path / "curve.csv"
    write_curve(good, History.from_increments(compression, "z", "finite"))
    lines = good.read_text().splitlines()
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join([*lines[:3], "a,b", lines[3].replace("1", "nan", 1), ""]))
    with pytest.raises(InputError) as caught:
        read_curve(bad)
    assert [finding.key for finding in caught.value.findings] == ["line 4", "line 5"]
    bad.write_text(lines[0] + "\n")
    with pytest.raises(InputError, match="undeformed state"):
        read_curve(bad)
    entries = lines[6].split(",")
    entries[3] = "7.5"
    bad.write_text("\n".join([*lines[:6], ",".join(entries)]))
    with pytest.raises(InputError, match="along none of the axes"):
        read_curve(bad)
