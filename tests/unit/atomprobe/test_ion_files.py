"""Readers and writers of ions, against files written after the descriptions of the formats."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ngcfem.atomprobe.ion_data import (
    DETECTOR,
    IONS_PER_PULSE,
    PULSE_VOLTAGE,
    PULSES_SINCE_EVENT,
    TIME_OF_FLIGHT,
    VOLTAGE,
    IonChunk,
)
from ngcfem.atomprobe.ion_reading import open_ions
from ngcfem.atomprobe.ion_writing import write_apt, write_epos, write_pos, write_table
from ngcfem.errors import InputError

EPOS_COLUMNS = (
    TIME_OF_FLIGHT,
    VOLTAGE,
    PULSE_VOLTAGE,
    DETECTOR,
    PULSES_SINCE_EVENT,
    IONS_PER_PULSE,
)

SILICON = os.environ.get("NGCFEM_APT_SILICON")


def joined(path: Path, columns: tuple[str, ...] = (), n_chunk: int = 400):
    """All ions of a file as arrays."""
    chunks = list(open_ions(path).chunks(columns, n_chunk))
    assert [chunk.first for chunk in chunks] == np.cumsum([0, *map(len, chunks)])[:-1].tolist()
    return (
        np.concatenate([chunk.position_nm for chunk in chunks]),
        np.concatenate([chunk.mass_to_charge_da for chunk in chunks]),
        {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in columns},
    )


def source_columns(ions):
    return {
        TIME_OF_FLIGHT: ions["time"],
        VOLTAGE: ions["voltage"],
        PULSE_VOLTAGE: ions["pulse"],
        DETECTOR: ions["detector"],
        PULSES_SINCE_EVENT: ions["since"],
        IONS_PER_PULSE: ions["per_pulse"],
    }


@pytest.mark.parametrize("ending", ["pos", "epos", "apt", "csv"])
@pytest.mark.parametrize("n_chunk", [7, 1001, 5000])
def test_all_formats_hold_the_same_ions(formats, tmp_path, ending, n_chunk):
    ions = formats.ions_at_random(1001)
    path = formats.write(tmp_path, ending, ions)
    position, mass, _ = joined(path, n_chunk=n_chunk)
    np.testing.assert_array_equal(position, ions["position"])
    np.testing.assert_array_equal(mass, ions["mass"])
    assert position.dtype == mass.dtype == np.float32
    assert open_ions(path).n_ions == (None if ending == "csv" else 1001)


@pytest.mark.parametrize(
    ("ending", "columns"),
    [("epos", EPOS_COLUMNS), ("apt", (TIME_OF_FLIGHT, DETECTOR, IONS_PER_PULSE))],
)
def test_further_columns(formats, tmp_path, ending, columns):
    ions = formats.ions_at_random(500)
    path = formats.write(tmp_path, ending, ions)
    assert set(columns) <= set(open_ions(path).column_names)
    _, _, found = joined(path, columns, 123)
    for name in columns:
        np.testing.assert_array_equal(found[name], source_columns(ions)[name])


def test_sections_that_are_no_columns_are_named(formats, tmp_path):
    path = formats.write(tmp_path, "apt", formats.ions_at_random(10))
    (warning,) = open_ions(path).warnings
    assert "'Failure'" in warning.found
    assert warning.key.startswith("byte ")


@pytest.mark.parametrize(("version", "resolution_nm"), [(3, 1e-6), (5, 0.005)])
def test_ato_after_its_description(formats, tmp_path, version, resolution_nm):
    ions = formats.ions_at_random(300)
    path = tmp_path / "specimen.ato"
    path.write_bytes(formats.ato_bytes(ions, version))
    position, mass, _ = joined(path)
    # Version 5 rounds x and y to 0.01 nm; single precision of 60 nm resolves 4e-6 nm.
    limits = np.array([resolution_nm, resolution_nm, 0.0]) + 1e-5
    assert np.all(np.abs(position - ions["position"]) <= limits)
    np.testing.assert_array_equal(mass, ions["mass"])
    (warning,) = open_ions(path).warnings
    assert "description only" in warning.remedy


def chunks_of(ions, columns: bool, sizes=(3, 500, 497)):
    at = 0
    for size in sizes:
        part = slice(at, at + size)
        extra = {n: v[part] for n, v in source_columns(ions).items()} if columns else {}
        yield IonChunk(at, ions["position"][part], ions["mass"][part], extra)
        at += size


def test_written_files_equal_those_after_the_description(formats, tmp_path):
    ions = formats.ions_at_random(1000)
    assert write_pos(tmp_path / "a.pos", chunks_of(ions, False)) == 1000
    assert (tmp_path / "a.pos").read_bytes() == formats.pos_bytes(ions)
    assert write_epos(tmp_path / "a.epos", chunks_of(ions, True)) == 1000
    assert (tmp_path / "a.epos").read_bytes() == formats.epos_bytes(ions)


@pytest.mark.parametrize("ending", ["epos", "apt", "csv"])
def test_round_trip(formats, tmp_path, ending):
    ions = formats.ions_at_random(1000)
    path = tmp_path / f"again.{ending}"
    if ending == "apt":
        assert write_apt(path, chunks_of(ions, True), 1000) == 1000
        columns = tuple(name for name in EPOS_COLUMNS if name != PULSE_VOLTAGE)
    elif ending == "epos":
        write_epos(path, chunks_of(ions, True))
        columns = EPOS_COLUMNS
    else:
        assert write_table(path, chunks_of(ions, True)) == 1000
        columns = EPOS_COLUMNS
    position, mass, found = joined(path, columns)
    np.testing.assert_array_equal(position, ions["position"])
    np.testing.assert_array_equal(mass, ions["mass"])
    for name in columns:
        np.testing.assert_array_equal(found[name], source_columns(ions)[name])


def test_bounds_in_the_header_of_positions(formats, tmp_path):
    ions = formats.ions_at_random(1000)
    path = tmp_path / "a.apt"
    write_apt(path, chunks_of(ions, False), 1000)
    content = path.read_bytes()
    box = np.frombuffer(content[-12024:-12000], "<f4").reshape(3, 2)
    np.testing.assert_array_equal(box[:, 0], ions["position"].min(axis=0))
    np.testing.assert_array_equal(box[:, 1], ions["position"].max(axis=0))


def test_apt_with_a_wrong_number_is_not_written_silently(formats, tmp_path):
    ions = formats.ions_at_random(1000)
    for announced in (999, 1001):
        with pytest.raises(ValueError, match="announced"):
            write_apt(tmp_path / "a.apt", chunks_of(ions, False), announced)


@pytest.mark.parametrize(
    ("header", "sign"),
    [
        ("x, y, z, Da", ","),
        ("x (nm);y (nm);z (nm);m/n (Da)", ";"),
        ("index\tx_nm\ty_nm\tz_nm\tmass", "\t"),
        ("x_nm y_nm z_nm mass_to_charge_da", " "),
    ],
)
def test_tables_of_other_programs(tmp_path, header, sign):
    rows = [[1.5, -2.0, 3e-2, 27.97], [0.0, 1.0, 2.0, 45.0]]
    lines = [sign.join(map(repr, [7, *row] if "index" in header else row)) for row in rows]
    path = tmp_path / "ions.txt"
    path.write_text("\n# exported\n" + header + "\n" + "\n\n".join(lines) + "\n# end\n")
    position, mass, _ = joined(path)
    np.testing.assert_array_equal(np.column_stack([position, mass]), np.float32(rows))


def test_a_file_that_shrinks_meanwhile(formats, tmp_path):
    path = formats.write(tmp_path, "pos", formats.ions_at_random(1000))
    chunks = open_ions(path).chunks(n_chunk=100)
    next(chunks)
    with open(path, "r+b") as stream:
        stream.truncate(250 * 16 + 5)
    with pytest.raises(InputError) as caught:
        list(chunks)
    (finding,) = caught.value.findings
    assert finding.key == f"byte {250 * 16 + 5}"


@pytest.mark.skipif(SILICON is None, reason="set NGCFEM_APT_SILICON to a set as .pos and .apt")
def test_formats_of_a_real_set_agree():
    directory = Path(str(SILICON))
    pos = joined(next(directory.glob("*.pos")), n_chunk=1 << 18)
    apt = joined(next(directory.glob("*.apt")), n_chunk=1 << 18)
    np.testing.assert_array_equal(pos[0], apt[0])
    np.testing.assert_array_equal(pos[1], apt[1])


@pytest.mark.slow
def test_a_large_file_passes_through_little_memory(tmp_path):
    """Twenty million ions in .epos (880 MB); the limit is some chunks beside the interpreter."""
    path = tmp_path / "large.epos"
    with open(path, "wb") as stream:
        block = np.zeros(1 << 18, np.dtype([("floats", ">f4", 9), ("integers", ">u4", 2)]))
        block["floats"][:, :4] = np.random.default_rng(1).uniform(1.0, 50.0, (1 << 18, 4))
        for _ in range(77):
            stream.write(block.tobytes())
    (tmp_path / "r.rrng").write_text(
        "[Ions]\nNumber=1\nIon1=Fe\n[Ranges]\nNumber=1\nRange1=27.8 28.2 Fe:1\n"
    )
    program = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from ngcfem.atomprobe.ion_reading import open_ions\n"
        "from ngcfem.atomprobe.range_reading import read_ranges\n"
        "from ngcfem.atomprobe.ranging import RangeTable\n"
        "from ngcfem.atomprobe.spectrum import range_spectrum\n"
        "table = RangeTable.of(read_ranges(Path(sys.argv[2])).ranges)\n"
        "ranged = range_spectrum(open_ions(Path(sys.argv[1])), table)\n"
        # getrusage would count the process that started this one.
        "status = Path('/proc/self/status').read_text()\n"
        "print(ranged.metadata.n_ions, re.search(r'VmHWM:\\s*(\\d+)', status)[1])\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, str(path), str(tmp_path / "r.rrng")],
        capture_output=True,
        text=True,
        check=True,
    )
    number, peak_kib = map(int, finished.stdout.split())
    assert number == 77 << 18
    assert peak_kib < 400 * 1024
