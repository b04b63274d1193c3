"""Writers of atom probe formats, independent of those of the package, and made specimens."""

import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.ranging import RangeTable


def ions_at_random(number: int, seed: int = 3) -> dict[str, np.ndarray]:
    """Draw ions with all columns of .epos, in single precision as the files hold them."""
    generator = np.random.default_rng(seed)
    return {
        "position": generator.normal(0.0, 20.0, (number, 3)).astype(np.float32),
        "mass": generator.uniform(0.5, 90.0, number).astype(np.float32),
        "time": generator.uniform(100.0, 900.0, number).astype(np.float32),
        "voltage": generator.uniform(2e3, 9e3, number).astype(np.float32),
        "pulse": generator.uniform(0.0, 1e3, number).astype(np.float32),
        "detector": generator.uniform(-15.0, 15.0, (number, 2)).astype(np.float32),
        "since": generator.integers(0, 900, number),
        "per_pulse": generator.integers(0, 4, number),
    }


def pos_bytes(ions: dict[str, np.ndarray]) -> bytes:
    rows = zip(ions["position"].tolist(), ions["mass"].tolist(), strict=True)
    return b"".join(struct.pack(">4f", *position, mass) for position, mass in rows)


def epos_bytes(ions: dict[str, np.ndarray]) -> bytes:
    return b"".join(
        struct.pack(
            ">9f2I",
            *ions["position"][i].tolist(),
            *(float(ions[name][i]) for name in ("mass", "time", "voltage", "pulse")),
            *ions["detector"][i].tolist(),
            int(ions["since"][i]),
            int(ions["per_pulse"][i]),
        )
        for i in range(len(ions["mass"]))
    )


def apt_section(
    name: str,
    unit: str,
    kind: int,
    bits: int,
    record: int,
    number: int,
    data: bytes,
    extra: bytes = b"",
    relation: int = 1,
) -> bytes:
    head = b"SEC\0" + struct.pack("<ii", 148 + len(extra), 2)
    head += name.encode("utf-16-le").ljust(64, b"\0")
    head += struct.pack("<iIIIii", 1, relation, 1, kind, bits, record)
    head += unit.encode("utf-16-le").ljust(32, b"\0")
    head += struct.pack("<QQ", number, len(data))
    return head + extra + data


def apt_header(number: int) -> bytes:
    name = "specimen.apt".encode("utf-16-le").ljust(512, b"\0")
    return b"APT\0" + struct.pack("<ii", 540, 2) + name + struct.pack("<QQ", 0, number)


def apt_bytes(ions: dict[str, np.ndarray]) -> bytes:
    number = len(ions["mass"])
    little = {name: values.astype("<f4").tobytes() for name, values in ions.items()}
    box = np.column_stack([ions["position"].min(axis=0), ions["position"].max(axis=0)])
    return b"".join(
        [
            apt_header(number),
            apt_section("tof", "ns", 3, 32, 4, number, little["time"]),
            apt_section("Failure", "", 1, 32, 4, 3, b"\1\0\0\0" * 3, relation=3),
            apt_section("Mass", "Da", 3, 32, 4, number, little["mass"]),
            apt_section("Detector Coordinates", "mm", 3, 32, 8, number, little["detector"]),
            apt_section(
                "Multiplicity", "", 1, 32, 4, number, ions["per_pulse"].astype("<i4").tobytes()
            ),
            apt_section(
                "Position",
                "nm",
                3,
                32,
                12,
                number,
                little["position"],
                box.astype("<f4").tobytes(),
            ),
        ]
    )


def csv_bytes(ions: dict[str, np.ndarray]) -> bytes:
    lines = ["# a comment", "x_nm,y_nm,z_nm,mass_to_charge_da"]
    for position, mass in zip(ions["position"].tolist(), ions["mass"].tolist(), strict=True):
        lines.append(",".join(repr(value) for value in (*position, mass)))
    return "\r\n".join([*lines, ""]).encode()


def ato_bytes(ions: dict[str, np.ndarray], version: int) -> bytes:
    head = struct.pack("<ii", 0, version)
    rows = zip(ions["position"].astype(float).tolist(), ions["mass"].tolist(), strict=True)
    if version == 3:
        return head + b"".join(
            struct.pack("<14f", *(10.0 * p for p in position), mass, *([0.0] * 10))
            for position, mass in rows
        )
    records = (
        struct.pack("<hhff", round(100 * x), round(100 * y), 10.0 * z, mass).ljust(40, b"\0")
        for (x, y, z), mass in rows
    )
    return head.ljust(5000, b"\0") + b"".join(records)


WRITERS = {"pos": pos_bytes, "epos": epos_bytes, "apt": apt_bytes, "csv": csv_bytes}


def write(directory: Path, ending: str, ions: dict[str, np.ndarray]) -> Path:
    path = directory / f"specimen.{ending}"
    path.write_bytes(WRITERS[ending](ions))
    return path


@pytest.fixture(scope="session")
def formats() -> SimpleNamespace:
    """The functions of this file."""
    return SimpleNamespace(
        ions_at_random=ions_at_random,
        write=write,
        pos_bytes=pos_bytes,
        epos_bytes=epos_bytes,
        apt_bytes=apt_bytes,
        apt_header=apt_header,
        apt_section=apt_section,
        ato_bytes=ato_bytes,
        csv_bytes=csv_bytes,
    )


SPECIES = {"Fe": 27.97, "Sc": 22.48, "H": 1.008}


def made_ions(position_nm: np.ndarray, element: np.ndarray) -> RangedIons:
    """Ranged ions of single atoms at given places, the elements by their symbols."""
    table = RangeTable.of(
        [MassRange(mass - 0.1, mass + 0.1, Ion.of({name: 1})) for name, mass in SPECIES.items()]
    )
    labels = np.zeros(len(position_nm), dtype=np.int16)
    for at, entry in enumerate(table.ranges):
        labels[np.asarray(element) == entry.ion.name] = at
    return RangedIons(table, np.asarray(position_nm, np.float32), labels)


def made_specimen(
    size_nm: tuple[float, float, float],
    density_per_nm3: float,
    sc_fraction: Callable[[np.ndarray], np.ndarray],
    seed: int,
) -> RangedIons:
    """Iron in a box, its atoms at random places, with scandium after a given composition."""
    generator = np.random.default_rng(seed)
    number = generator.poisson(density_per_nm3 * np.prod(size_nm))
    position = generator.random((number, 3)) * size_nm
    scandium = generator.random(number) < sc_fraction(position)
    return made_ions(position, np.where(scandium, "Sc", "Fe"))


@pytest.fixture(scope="session")
def specimens() -> SimpleNamespace:
    """Makers of specimens of known truth."""
    return SimpleNamespace(made_ions=made_ions, made_specimen=made_specimen)
