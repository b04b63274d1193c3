"""Files that are wrong: what is said of them; nothing crashes, hangs or fills the memory."""

import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ngcfem.atomprobe.ion_data import DEFAULT_CHUNK
from ngcfem.atomprobe.ion_reading import open_ions
from ngcfem.atomprobe.range_reading import read_ranges
from ngcfem.errors import Finding, InputError

DATA = Path(__file__).resolve().parents[2] / "data" / "atom_probe"
RRNG = (
    "[Ions]\nNumber=2\nIon1=Fe\nIon2=Sc\n[Ranges]\nNumber=2\n"
    "Range1=27.8 28.1 Vol:0.01177 Fe:1 Color:FF00FF\n"
    "Range2=22.3 22.6 Vol:0.02 Sc:1 Color:FF0033\n"
)
RNG = "2 2\nFe\nFe 1.0 0.0 1.0\nSc\nSc 1.0 0.0 0.2\n----- Fe Sc\n. 27.8 28.1 1 0\n. 22.3 22.6 0 1\n"


def read_all(path: Path) -> None:
    """Read a file to its end."""
    if path.suffix in (".rrng", ".rng", ".env"):
        read_ranges(path)
        return
    ions = open_ions(path)
    for chunk in ions.chunks(ions.column_names, DEFAULT_CHUNK):
        assert np.isfinite(chunk.position_nm).all()
        assert np.isfinite(chunk.mass_to_charge_da).all()


def findings_of(path: Path) -> tuple[Finding, ...]:
    """What a reader finds wrong with a file."""
    with pytest.raises(InputError) as caught:
        read_all(path)
    assert all(
        finding.file == str(path) and finding.allowed and finding.remedy
        for finding in caught.value.findings
    )
    return caught.value.findings


def findings_in(directory: Path, name: str, content: str | bytes) -> tuple[Finding, ...]:
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return findings_of(path)


@pytest.mark.parametrize(
    ("old", "new", "key", "found"),
    [
        ("Fe:1 Color", "Xx:1 Color", "line 7", "Xx:1"),
        ("Fe:1", "fe:1", "line 7", "fe:1"),
        ("Fe:1", "Fe:0", "line 7", "Fe:0"),
        ("Fe:1", "Fe:1e9", "line 7", "Fe:1e9"),
        ("Fe:1", "Fe:1 Fe:2", "line 7", "a second time"),
        ("27.8 28.1", "28.1 27.8", "line 7", "an empty range"),
        ("27.8 28.1", "28.1 28.1", "line 7", "an empty range"),
        ("27.8 28.1", "27.8 28100000", "line 7", "2.81e+07"),
        ("27.8 28.1", "nan 28.1", "line 7", "nan"),
        ("27.8 28.1", "27.8", "line 7", "27.8"),
        ("27.8 28.1", "1,000.5 28.1", "line 7", "1,000.5"),
        ("22.3 22.6", "22.3 27.9", "line 7", "overlaps Sc"),
        ("Number=2\nRange", "Number=3\nRange", "line 6", "Number=3"),
        ("[Ranges]", "[Rages]", "ranges", "none"),
        ("Range1=", "Range1 ", "line 7", "Range1"),
    ],
)
def test_wrong_lines_of_rrng(tmp_path, old, new, key, found):
    assert old in RRNG
    first = findings_in(tmp_path, "x.rrng", RRNG.replace(old, new))[0]
    assert first.key == key
    assert found in first.found


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("2 2\n", "3 2\n", "line 1"),
        ("2 2\n", "2 3\n", "line 1"),
        ("2 2\n", "two 2\n", "line 1"),
        ("2 2\n", "2 99999999999\n", "line 1"),
        (". 27.8 28.1 1 0", ". 27.8 28.1 1", "line 7"),
        (". 27.8 28.1 1 0", ". 27.8 28.1 1 0.5", "line 7"),
        (". 27.8 28.1 1 0", ". 27.8 28.1 1 -1", "line 7"),
        (". 27.8 28.1 1 0", ". 28.1 27.8 1 0", "line 7"),
        (". 22.3 22.6", ". 22.3 27.9", "line 7"),
    ],
)
def test_wrong_lines_of_rng(tmp_path, old, new, key):
    assert old in RNG
    assert findings_in(tmp_path, "x.rng", RNG.replace(old, new))[0].key == key


def test_all_wrong_lines_at_once(tmp_path):
    text = RRNG.replace("Fe:1", "Xx:1").replace("22.3 22.6", "22.6 22.3")
    assert [finding.key for finding in findings_in(tmp_path, "x.rrng", text)] == [
        "line 7",
        "line 8",
    ]
    path = tmp_path / "y.env"
    lines = (DATA / "ErMnO.env").read_text().replace("81.890\t82.360", "81.89\tx").splitlines()
    path.write_text("\n".join(lines).replace("Mn2O\t62.850", "Mn3O\t62.850"))
    assert len(findings_of(path)) == 2


def test_encodings_of_range_files(tmp_path):
    path = tmp_path / "x.rrng"
    for content in (
        RRNG.encode("utf-16"),
        b"\xef\xbb\xbf" + RRNG.encode(),
        RRNG.replace("Color:FF0033", "Name:m\xb2 Color:FF0033").encode("latin-1"),
        RRNG.replace("\n", "\r\n").encode(),
    ):
        path.write_bytes(content)
        assert len(read_ranges(path).ranges) == 2
    assert "zero byte" in findings_in(tmp_path, "x.rrng", RRNG.encode("utf-16")[2:])[0].found
    assert findings_in(tmp_path, "x.rrng", b"")[0].found == "an empty file"
    assert "5000000 bytes" in findings_in(tmp_path, "x.rrng", b" " * 5_000_000)[0].found
    assert findings_of(tmp_path / "missing.rrng")[0].key == "file"


def test_sizes_of_binary_files(formats, tmp_path):
    ions = formats.ions_at_random(20)
    pos = formats.pos_bytes(ions)
    assert findings_in(tmp_path, "x.pos", pos[:-3])[0].key == f"byte {19 * 16}"
    assert "13 bytes left over" in findings_in(tmp_path, "x.pos", pos[:-3])[0].found
    assert (
        findings_in(tmp_path, "x.epos", formats.epos_bytes(ions)[:-1])[0].key == f"byte {19 * 44}"
    )
    assert findings_in(tmp_path, "x.pos", b"")[0].found == "an empty file"
    assert "version 4" in findings_in(tmp_path, "x.ato", struct.pack("<ii", 0, 4) * 50)[0].found
    assert findings_in(tmp_path, "x.ato", b"abc")[0].key == "byte 4"
    assert findings_of(tmp_path / "missing.pos")[0].key == "file"
    assert findings_in(tmp_path, "x.dat", pos)[0].key == "name"


def test_values_that_make_no_sense(formats, tmp_path):
    ions = formats.ions_at_random(20)
    ions["position"][7, 1] = np.nan
    ions["mass"][9] = -1.0
    found = findings_in(tmp_path, "x.pos", formats.pos_bytes(ions))
    assert [finding.key for finding in found] == [f"byte {7 * 16 + 4}", f"byte {9 * 16 + 12}"]
    assert "position_nm y = nan of ion 7" in found[0].found
    keys = [finding.key for finding in findings_in(tmp_path, "x.csv", formats.csv_bytes(ions))]
    assert keys == ["line 10", "line 12"]
    content = formats.apt_bytes(ions)
    keys = [finding.key for finding in findings_in(tmp_path, "x.apt", content)]
    nan, negative = (int(key.split()[1]) for key in keys)
    assert np.isnan(np.frombuffer(content[nan : nan + 4], "<f4")[0])
    assert np.frombuffer(content[negative : negative + 4], "<f4")[0] == -1.0


def test_wrong_byte_order_is_suspected(formats, tmp_path):
    ions = formats.ions_at_random(50)
    swapped = np.frombuffer(formats.pos_bytes(ions), ">f4").astype("<f4").tobytes()
    assert "byte order" in findings_in(tmp_path, "x.pos", swapped)[0].remedy


def apt_variant(formats, **changes: tuple[str, int]) -> bytes:
    """An .apt file of 20 ions with integers of headers replaced, by offset from a marker."""
    content = bytearray(formats.apt_bytes(formats.ions_at_random(20)))
    for marker, (form, offset, value) in changes.items():
        at = {
            "file": 0,
            "mass": content.index("Mass".encode("utf-16-le")) - 12,
            "position": content.index("Position".encode("utf-16-le")) - 12,
        }[marker]
        struct.pack_into(form, content, at + offset, value)
    return bytes(content)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"file": ("<Q", 532, 10**12)}, "1000000000000 ions"),
        ({"file": ("<Q", 532, 0)}, "0 ions"),
        ({"file": ("<Q", 532, 19)}, "20 records"),
        ({"file": ("<i", 4, -5)}, "-5 bytes"),
        ({"file": ("<i", 0, 7)}, "x07"),
        ({"mass": ("<i", 4, 0)}, "header of 0 bytes"),
        ({"mass": ("<i", 4, 2**31 - 1)}, "header of 2147483647 bytes"),
        ({"mass": ("<I", 80, 3)}, "relation 3"),
        ({"mass": ("<I", 88, 9)}, "numbers of kind 9"),
        ({"mass": ("<i", 92, 0)}, "with 0 bits"),
        ({"mass": ("<i", 96, 0)}, "records of 0 bytes"),
        ({"mass": ("<i", 96, -4)}, "records of -4 bytes"),
        ({"mass": ("<Q", 132, 10**12)}, "1000000000000 records"),
        ({"mass": ("<Q", 140, 2**63)}, "9223372036854775808 bytes"),
        ({"position": ("<Q", 140, 12)}, "b'"),
    ],
)
def test_headers_that_make_no_sense(formats, tmp_path, changes, found):
    content = apt_variant(formats, **changes)
    tracemalloc.start()
    try:
        first = findings_in(tmp_path, "x.apt", content)[0]
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert found in first.found
    assert first.key.startswith("byte ")


def test_apt_without_masses_and_cut_off(formats, tmp_path):
    ions = formats.ions_at_random(20)
    content = formats.apt_bytes(ions)
    assert findings_in(tmp_path, "x.apt", content[:-40])[0].key.startswith("byte ")
    assert "up to the end" in findings_in(tmp_path, "x.apt", content + b"SEC\0")[0].found
    data = ions["position"].astype("<f4").tobytes()
    content = formats.apt_header(20) + formats.apt_section("Position", "nm", 3, 32, 12, 20, data)
    assert findings_in(tmp_path, "x.apt", content)[0].allowed == "a section 'Mass'"


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        (["1,2,3"], "line 3", "correct"),
        (["1,2,3,x"], "line 3", "correct"),
        (["1,5,2,5,3,5,27,9"], "line 3", "decimal commas"),
        (["1,2,3,1e99"], "line 3", ""),
        (["1,2,3,inf"], "line 3", ""),
        ([""], "lines", "export"),
    ],
)
def test_wrong_lines_of_tables(tmp_path, lines, key, words):
    text = "\n".join(["x_nm,y_nm,z_nm,mass_to_charge_da", "# note", *lines, ""])
    first = findings_in(tmp_path, "x.csv", text)[0]
    assert first.key == key
    assert words in first.remedy


def test_all_wrong_lines_of_a_table(tmp_path):
    rows = ["1,2,3,4"] * 3000
    for at in (5, 1500, 2999):
        rows[at] = "1,2,3"
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["x,y,z,da", *rows, ""]))
    chunks = open_ions(path).chunks(n_chunk=200)
    with pytest.raises(InputError) as caught:
        list(chunks)
    assert [finding.key for finding in caught.value.findings] == [
        "line 7",
        "line 1502",
        "line 3001",
    ]


def test_headers_of_tables(tmp_path):
    assert "mass_to_charge_da" in findings_in(tmp_path, "x.csv", "x,y,z\n1,2,3\n")[0].remedy
    assert findings_in(tmp_path, "x.csv", "1,2,3,4\n")[0].key == "line 1"
    assert "UTF-16" in findings_in(tmp_path, "x.csv", "x,y,z,da\n".encode("utf-16"))[0].found
    semicolons = "x;y;z;da\n1,5;2,5;3,5;4,5\n"
    assert "decimal commas" in findings_in(tmp_path, "x.csv", semicolons)[0].remedy


# Numbers that break sizes, offsets and signs.
EXTREMES = (0, 1, 2, 3, 127, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
WORDS = (b"nan", b"-1", b"1e999", b"0", b"9" * 30, b"=", b":", b"\n", b"[", b"#", b".", b",", b"\0")


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Change a file in one to four places, as damage and other programs do."""
    out = bytearray(content)
    for _ in range(int(generator.integers(1, 5))):
        at = int(generator.integers(0, len(out) + 1))
        length = int(generator.integers(0, 40))
        kind = int(generator.integers(0, 7))
        if kind == 0:
            del out[at:]
        elif kind == 1:
            del out[at : at + length]
        elif kind == 2:
            out[at : at + length] = generator.integers(0, 256, length, dtype=np.uint8).tobytes()
        elif kind == 3:
            size = int(generator.choice([1, 2, 4, 8]))
            number = int(EXTREMES[generator.integers(len(EXTREMES))]) % 256**size
            out[at : at + size] = number.to_bytes(size, "little" if at % 2 else "big")
        elif kind == 4:
            out[at:at] = WORDS[int(generator.integers(len(WORDS)))]
        elif kind == 5:
            out[at:at] = out[at : at + length] * int(generator.integers(1, 5))
        elif out:
            out[at % len(out)] ^= 1 << int(generator.integers(8))
    return bytes(out)


def seeds(formats) -> list[tuple[str, bytes]]:
    """Small files of every format."""
    ions = formats.ions_at_random(12)
    made = [
        ("x.pos", formats.pos_bytes(ions)),
        ("x.epos", formats.epos_bytes(ions)),
        ("x.apt", formats.apt_bytes(ions)),
        ("x.apt", formats.apt_bytes(ions)[:1100]),
        ("x.csv", formats.csv_bytes(ions)),
        ("x.ato", formats.ato_bytes(ions, 3)),
        ("x.ato", formats.ato_bytes(ions, 5)),
        ("x.rrng", RRNG.encode()),
        ("x.rng", RNG.encode()),
    ]
    for name in ("range_file_RNG.RNG", "ErMnO.env", "R18_55377-v02.rng", "R18_58152-v02.RRNG"):
        path = DATA / name
        made.append((f"x{path.suffix.lower()}", path.read_bytes()))
    return made


def read_mutated(directory: Path, name: str, content: bytes) -> None:
    """Read a file; only an InputError may come of it, and little memory may be used."""
    path = directory / name
    path.write_bytes(content)
    try:
        read_all(path)
    except InputError as error:
        found = error.findings, str(error)
    else:
        return
    assert all(found)


def fuzz(formats, directory: Path, seed: int, rounds: int) -> None:
    generator = np.random.default_rng(seed)
    files = seeds(formats)
    for name, content in files:
        read_mutated(directory, name, content)
    tracemalloc.start()
    try:
        for number in range(rounds):
            name, content = files[number % len(files)]
            changed = mutated(content, generator)
            try:
                read_mutated(directory, name, changed)
            except Exception:
                (directory / f"failed_{seed}_{number}_{name}").write_bytes(changed)
                raise
        # Files of some kB: tables are read in blocks of what is there.
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_fuzzing_for_a_moment(formats, tmp_path):
    fuzz(formats, tmp_path, 1, 520)


@pytest.mark.slow
def test_fuzzing_for_ten_minutes(formats, tmp_path):
    end = time.monotonic() + 600.0
    seed = 100
    while time.monotonic() < end:
        fuzz(formats, tmp_path, seed, 2600)
        seed += 1
