"""The statistics file of a measured specimen, put together from the numbers of its regions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ngcfem.atomprobe.atomic_volumes import ATOMIC_VOLUMES_NM3
from ngcfem.atomprobe.ranging import Composition
from ngcfem.atomprobe.statistics import statistics_from_mapping
from ngcfem.atomprobe.statistics_sections import (
    Grains,
    Interface,
    Quantity,
    RegionComposition,
    Resolution,
    ScRich,
    StatisticsFile,
    StatisticsSection,
)
from ngcfem.quantities import Provenance

STATISTICS_ELEMENTS = ("Fe", "Sc", "H")
"""Elements that the statistics file knows."""

_ATOMIC_VOLUMES = {
    "Fe": Quantity(
        value=ATOMIC_VOLUMES_NM3["Fe"],
        unit="nm^3",
        provenance="literature",
        reference="bcc Fe at 293 K: a = 0.28665 nm, two atoms a cell",
    ),
    "Sc": Quantity(
        value=ATOMIC_VOLUMES_NM3["Sc"],
        unit="nm^3",
        provenance="literature",
        reference="hcp Sc at 293 K: a = 0.3309 nm, c = 0.5268 nm, two atoms a cell",
    ),
    "H": Quantity(
        value=ATOMIC_VOLUMES_NM3["H"],
        lo95=0.0022,
        hi95=0.0036,
        unit="nm^3",
        provenance="literature",
        reference="Fukai (2005), The Metal-Hydrogen System, 2nd ed., Springer: volume per H in "
        "metals, 0.0029 nm^3 on tetrahedral sites",
    ),
}
_SECTIONS: dict[str, type[StatisticsSection]] = {
    **{
        f"composition.{name}": RegionComposition
        for name in ("nanocrystal", "sc_rich", "interface", "grain")
    },
    "grains": Grains,
    "interface": Interface,
    "sc_rich": ScRich,
    "resolution": Resolution,
}
_NORMAL_95 = 1.959964
_GRAIN_SPHERICITY = 0.88
_GRAIN_VARIATION = 0.25
_OTHER_FRACTIONS = ("nanocrystal", "sc_rich", "interface")


@dataclass(frozen=True)
class DataSource:
    """The data set behind measured numbers.

    Parameters
    ----------
    title : str
        Name of the material and state.
    files_sha256 : mapping of str to str
        SHA-256 of each file.
    n_ions : int
        Number of ions.
    ranged_fraction : float
        Share of them that lie in ranges.
    volume_nm3 : float
        Volume of the specimen.
    provenance : {"measured", "synthetic"}
        Of every number found in it.
    efficiency : float or None
        Detection efficiency, if known.
    true_strain : float or None
        True strain that the material has undergone, if known; negative in compression.
    notes : sequence of str
        Remarks on the whole.
    """

    title: str
    files_sha256: Mapping[str, str]
    n_ions: int
    ranged_fraction: float
    volume_nm3: float
    provenance: Provenance = "measured"
    efficiency: float | None = None
    true_strain: float | None = None
    notes: Sequence[str] = field(default=())


def measured_statistics(
    source: DataSource, composition: Composition, quantities: Mapping[str, Quantity]
) -> StatisticsFile:
    """Put the statistics file of a specimen together.

    Parameters
    ----------
    source : DataSource
        The data set.
    composition : Composition
        Of the whole, background taken off.
    quantities : mapping of str to Quantity
        What was found of the regions, by the dotted keys of the file.

    Returns
    -------
    StatisticsFile
        With the bulk composition over the elements that the file knows, atomic volumes from the
        literature, the volume fraction of the grains as what the other regions leave, and what was
        found.

    Raises
    ------
    InputError
        If the numbers contradict each other.
    """
    found = {**_bulk(composition), **_over_known_elements(quantities)}
    found |= _remaining_fraction(found)
    found |= _grain_sizes(found)
    complete, incomplete = _complete_sections(found)
    document: dict[str, Any] = {
        "schema_version": 1,
        "title": source.title,
        "notes": [*source.notes, *_left_out(composition), *incomplete],
        "atomic_volumes": {name: _plain(value) for name, value in _ATOMIC_VOLUMES.items()},
        "source": _source(source),
    }
    for key, quantity in complete.items():
        *sections, name = key.split(".")
        place = document
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = _plain(quantity.model_copy(update={"provenance": _whose(quantity, source)}))
    if source.true_strain is not None:
        value = Quantity(value=source.true_strain, unit="1", provenance="measured")
        document["state"] = {"true_strain": _plain(value)}
    return statistics_from_mapping(document, source.title)


def _whose(quantity: Quantity, source: DataSource) -> Provenance:
    return source.provenance if quantity.provenance == "measured" else quantity.provenance


def _plain(quantity: Quantity) -> dict[str, Any]:
    return quantity.model_dump(exclude_none=True, exclude_defaults=True)


def _bulk(composition: Composition) -> dict[str, Quantity]:
    """Composition over the known elements, with counting intervals."""
    places = [
        composition.elements.index(name) if name in composition.elements else None
        for name in STATISTICS_ELEMENTS
    ]
    share = np.array([0.0 if at is None else composition.fraction[at] for at in places])
    error = np.array([0.0 if at is None else composition.fraction_error[at] for at in places])
    known = float(share.sum())
    percent, spread = 100.0 * share / known, 100.0 * _NORMAL_95 * error / known
    number = round(float(sum(composition.atoms[at] for at in places if at is not None)))
    return {
        f"composition.bulk.{name}": Quantity(
            value=float(np.clip(percent[at], 0.0, 100.0)),
            lo95=float(np.clip(percent[at] - spread[at], 0.0, 100.0)),
            hi95=float(np.clip(percent[at] + spread[at], 0.0, 100.0)),
            n=max(number, 1),
            unit="at%",
            method="all ranged atoms, background taken off; interval of counting alone",
            provenance="measured",
        )
        for at, name in enumerate(STATISTICS_ELEMENTS)
        if places[at] is not None
    }


def _over_known_elements(quantities: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Compositions of regions over the elements that the file knows, whose sum becomes 100."""
    result = {key: value for key, value in quantities.items() if not key.startswith("composition.")}
    for region in dict.fromkeys(key.split(".")[1] for key in quantities if key not in result):
        part = {
            f"composition.{region}.{name}": quantities[f"composition.{region}.{name}"]
            for name in STATISTICS_ELEMENTS
            if f"composition.{region}.{name}" in quantities
        }
        total = sum(quantity.value for quantity in part.values())
        if total <= 0.0:
            continue
        factor = 100.0 / total
        for key, quantity in part.items():
            low, high = quantity.lo95, quantity.hi95
            scaled = {
                "value": min(factor * quantity.value, 100.0),
                "lo95": None if low is None else min(factor * low, 100.0),
                "hi95": None if high is None else min(factor * high, 100.0),
            }
            result[key] = quantity.model_copy(update=scaled)
    return result


def _left_out(composition: Composition) -> list[str]:
    others = [
        f"{name} {100.0 * share:.2f} at%"
        for name, share in zip(composition.elements, composition.fraction, strict=True)
        if name not in STATISTICS_ELEMENTS and share > 0.0
    ]
    if not others:
        return []
    return ["Compositions are over Fe, Sc and H; left out are " + ", ".join(others) + "."]


def _remaining_fraction(found: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Give the grains what the other regions leave, if these are all known."""
    keys = [f"volume_fractions.{name}" for name in _OTHER_FRACTIONS]
    others = [found[key] for key in keys if key in found]
    if len(others) < len(keys) and "volume_fractions.interface" not in found:
        return {}
    value = 1.0 - sum(quantity.value for quantity in others)
    if value <= 0.0:
        return {}
    variance = sum(
        ((quantity.hi95 - quantity.lo95) / (2.0 * _NORMAL_95)) ** 2
        for quantity in others
        if quantity.lo95 is not None and quantity.hi95 is not None
    )
    reach = _NORMAL_95 * float(np.sqrt(variance))
    return {
        "volume_fractions.grain": Quantity(
            value=value,
            lo95=max(value - reach, 0.0),
            hi95=min(value + reach, 1.0),
            unit="1",
            method="what the other regions leave; their errors taken as independent",
            provenance="measured",
        )
    }


def _grain_sizes(found: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Size of the grains by their lineal intercept, where no grain lies whole in the specimen.

    For bodies of the volume V and surface S the mean lineal intercept is 4 <V> / <S>. With the
    sphericity s and the variation c of their diameter D, lognormal, this is 2/3 s D (1 + c^2)^2.
    """
    intercept = found.get("grains.lineal_intercept")
    if intercept is None or "grains.equivalent_diameter" in found:
        return {}
    variation = found.get("grains.diameter_variation")
    spread = _GRAIN_VARIATION if variation is None else variation.value
    factor = 1.5 / (_GRAIN_SPHERICITY * (1.0 + spread**2) ** 2)
    assumed: dict[str, Quantity] = {}
    if variation is None:
        assumed["grains.diameter_variation"] = Quantity(
            value=_GRAIN_VARIATION,
            unit="1",
            method="too few whole grains in the specimen",
            provenance="assumed",
        )
    low, high = intercept.lo95, intercept.hi95
    return {
        **assumed,
        "grains.equivalent_diameter": Quantity(
            value=factor * intercept.value,
            lo95=None if low is None else factor * low,
            hi95=None if high is None else factor * high,
            n=intercept.n,
            unit="nm",
            method="from the lineal intercept, as no grain lies whole in the specimen",
            parameters={"sphericity": _GRAIN_SPHERICITY, "diameter_variation": spread},
            provenance="assumed",
        ),
    }


def _complete_sections(found: Mapping[str, Quantity]) -> tuple[dict[str, Quantity], list[str]]:
    """Leave out sections of which something that the file requires is not known, and say so."""
    missing: dict[str, list[str]] = {}
    for section, kind in _SECTIONS.items():
        given = [key for key in found if key.startswith(f"{section}.")]
        absent = [
            name
            for name, entry in kind.model_fields.items()
            if entry.is_required() and f"{section}.{name}" not in found
        ]
        if given and absent:
            missing[section] = absent
    kept = {
        key: quantity
        for key, quantity in found.items()
        if not any(key.startswith(f"{section}.") for section in missing)
    }
    return kept, [
        f"{section} is left out: {', '.join(names)} could not be measured."
        for section, names in missing.items()
    ]


def _source(source: DataSource) -> dict[str, Any]:
    def number(value: float, unit: str = "1") -> dict[str, Any]:
        return _plain(Quantity(value=value, unit=unit, provenance=source.provenance))

    entries: dict[str, Any] = {
        "files_sha256": dict(source.files_sha256),
        "n_ions": number(source.n_ions),
        "ranged_fraction": number(source.ranged_fraction),
        "volume": number(source.volume_nm3, "nm^3"),
    }
    if source.efficiency is not None:
        value = Quantity(value=source.efficiency, unit="1", provenance="assumed")
        entries["efficiency"] = _plain(value)
    return entries
