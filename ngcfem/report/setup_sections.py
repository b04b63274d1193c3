"""Sections of the report on what was computed: cell, materials, load, solver, mesh."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ngcfem.constitutive.law_files import LawFileError, law_class_name
from ngcfem.constitutive.parameter_specification import ParameterSpec
from ngcfem.constitutive.parameters import law_parameters
from ngcfem.quantities import REGION_NUMERALS
from ngcfem.report.colours import phase_colours
from ngcfem.report.imperfection_section import imperfection_part
from ngcfem.report.page import (
    Content,
    Level,
    Markup,
    badge,
    box,
    bullets,
    chip,
    element,
    facts,
    joined,
    table,
)
from ngcfem.report.run_record import RunRecord

_KINDS = {
    "nanocomposite": "nanoglass-nanocrystal composite",
    "nanoglass": "nanoglass (grains and interfaces)",
    "glass": "monolithic glass",
    "sphere": "one sphere in a matrix",
    "laminate": "layers",
    "homogeneous": "one phase",
    "mesh": "mesh given by the user",
    "voxels": "voxels",
}
_LAWS = {
    "elastic": "elastic (Hencky)",
    "j2": "J2 plasticity with hardening and softening",
    "drucker-prager": "Drucker-Prager plasticity",
    "mohr-coulomb": "Mohr-Coulomb slip with corners",
    "free-volume": "flow activated by free volume",
    "effective-temperature": "flow activated by an effective temperature (shear transformations)",
    "free-volume-relaxation": "flow activated by free volume that relaxes",
    "cubic-elastic": "elastic crystal (cubic)",
    "crystal-plasticity": "bcc crystal plasticity",
}
_REGIONS = {
    "grain": "amorphous matrix grains",
    "interface": "glassy interfaces between the grains",
    "nanocrystal": "bcc iron crystals",
    "sc_rich": "amorphous Sc-rich regions beside the crystals",
}
_GAMMA_WARNING = 0.1
_ANGLE_WARNING_DEG = 8.0
_FRACTION_WARNING = 0.02


def describe_problem(record: RunRecord) -> str:
    """Say in one sentence what was computed.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    str
        The sentence.
    """
    micro, load = record.case.get("microstructure", {}), record.case.get("load", {})
    kind = _KINDS.get(str(micro.get("kind")), str(micro.get("kind", "cell of unknown kind")))
    grains = micro.get("n_grains")
    cell = f"a cell of kind {micro.get('kind', 'unknown')}: {kind}"
    if grains:
        cell += f" with {grains} grains"
    boundary = {
        "periodic": "periodic boundary conditions",
        "uniform-displacement": "uniform displacement on its boundary",
    }.get(str(load.get("boundary")), f"boundary {load.get('boundary')}")
    kinematics = {"finite": "finite strain", "small": "small strain"}.get(
        str(load.get("kinematics")), ""
    )
    return f"{_load_in_words(load)} of {cell}; {boundary}, {kinematics}."


def problem_section(record: RunRecord) -> Markup:
    """Cell, fractions, materials and load.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    Markup
        The section.
    """
    parts: list[Content] = [element("p", describe_problem(record))]
    parts += [element("h3", "Phases and their share of the cell"), _phase_table(record)]
    if record.case.get("imperfection"):
        parts += [element("h3", "Imperfection"), imperfection_part(record)]
    descriptors = [*_descriptors(record.descriptors), *_descriptors(record.cell)]
    if descriptors:
        rows = [
            (
                name,
                entry.get("target"),
                entry.get("achieved"),
                entry.get("tolerance"),
                entry.get("unit", ""),
                _met(entry),
            )
            for name, entry in descriptors
        ]
        parts += [
            element("h3", "Descriptors of the cell: asked for and made"),
            table(
                ("descriptor", "target", "achieved", "tolerance", "unit", ""),
                rows,
                numeric=(1, 2, 3),
            ),
        ]
    balance = record.cell.get("mass_balance")
    if isinstance(balance, Mapping):
        parts += [element("h3", "Mass balance"), facts(_flat(balance))]
    statistics = record.case.get("statistics")
    if isinstance(statistics, Mapping) and statistics:
        parts += [element("h3", "Statistics"), _statistics_table(record, statistics)]
    parts += [element("h3", "Laws and parameters"), _parameter_table(record)]
    load = record.case.get("load", {})
    if load:
        parts += [element("h3", "Load"), facts(_flat(load))]
    return joined(parts)


def method_section(record: RunRecord) -> Markup:
    """Solver, element, tolerances, ranks and size.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    Markup
        The section.
    """
    summary = record.summary
    versions = record.provenance.get("versions", {})
    shown = ("ngcfem", "dolfinx-solver-real", "jax", "gmsh", "numpy", "python")
    entries: dict[str, Content] = {
        "unknowns": summary.get("n_dofs"),
        "tetrahedra": summary.get("n_cells")
        or record.mesh.get("quality", {}).get("number_of_cells"),
        "element": _element_in_words(summary.get("element")),
        "processes": summary.get("ranks") or record.provenance.get("ranks"),
        "versions": ", ".join(f"{name} {versions[name]}" for name in shown if name in versions)
        or None,
    }
    solver = record.case.get("solver")
    parts: list[Content] = [
        element(
            "p",
            "Displacement fluctuations on the cell and the free components of the mean deformation "
            "are solved for together: Newton iterations with consistent tangents, each with one "
            "preconditioned Krylov solve.",
        ),
        facts(entries),
    ]
    if isinstance(solver, Mapping):
        parts += [element("h3", "Options of the solver"), facts(_flat(solver))]
    return joined(parts)


def mesh_section(record: RunRecord) -> Markup:
    """Quality of the mesh, and what to beware of.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    Markup
        The section.
    """
    quality = record.mesh.get("quality") or record.summary.get("mesh_quality") or {}
    if not quality:
        return element("p", "No record of the mesh was found.")
    rows: list[tuple[Content, Content, Content]] = []

    def row(key: str, label: str, meaning: Content, factor: float = 1.0, unit: str = "") -> None:
        value = quality.get(key)
        if value is None:
            return
        shown: Content = f"{value * factor:.4g}{unit}" if isinstance(value, float) else value
        rows.append((label, shown, meaning))

    plane = "minimum_angle_deg" in quality
    row("number_of_cells", "triangles" if plane else "tetrahedra", "")
    row("number_of_nodes", "nodes", "")
    row("mean_edge_nm", "mean edge", "", unit=" nm")
    row(
        "minimum_gamma",
        "smallest gamma",
        _verdict(quality.get("minimum_gamma"), _GAMMA_WARNING, "1 is regular, 0 is flat"),
    )
    row("mean_gamma", "mean gamma", "")
    row(
        "minimum_dihedral_angle_deg",
        "smallest dihedral angle",
        _verdict(
            quality.get("minimum_dihedral_angle_deg"),
            _ANGLE_WARNING_DEG,
            "70.5 degrees in a regular tetrahedron",
        ),
        unit=" degrees",
    )
    row("maximum_dihedral_angle_deg", "largest dihedral angle", "", unit=" degrees")
    row("minimum_angle_deg", "smallest angle", "60 degrees in a regular triangle", unit=" degrees")
    row("maximum_angle_deg", "largest angle", "", unit=" degrees")
    row("maximum_aspect_ratio", "largest aspect ratio", "longest edge over shortest height")
    row("cells_below_gamma", f"cells with gamma below {_GAMMA_WARNING:g}", "")
    row(
        "cells_below_dihedral_angle",
        f"cells with an angle below {_ANGLE_WARNING_DEG:g} degrees",
        "",
    )
    row("minimum_jacobian_ratio", "smallest Jacobian over mean", "1 for straight edges")
    row("periodic_mismatch_nm", "periodic mismatch", "distance of paired nodes", unit=" nm")
    parts: list[Content] = [table(("", "value", ""), rows, numeric=(1,)), _mesh_route(record)]
    warnings = _mesh_warnings(record, quality)
    if warnings:
        parts.append(box("Beware", bullets(warnings), "warning"))
    return joined(parts)


def _mesh_route(record: RunRecord) -> Markup:
    """Say how a generated mesh came about, and what was tried before."""
    origin = record.mesh.get("origin", {})
    route = origin.get("route")
    if not route:
        return joined([])
    parts: list[Content] = [element("p", f"Made by: {route}.")]
    given_up = [str(text) for text in origin.get("given_up", [])]
    if given_up:
        parts += [element("p", "Tried before and given up:"), bullets(given_up)]
    again = origin.get("retried_grains", [])
    if again:
        parts.append(element("p", f"Grains that took more than one attempt: {len(again)}."))
    return joined(parts)


def provenance_counts(record: RunRecord) -> dict[str, int]:
    """Count the material parameters by where they come from.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    dict of str to int
        Number of parameters by provenance; defaults of a law are not counted.
    """
    counts: dict[str, int] = {}
    for phase in _phases(record):
        for value in _parameters(phase).values():
            if isinstance(value, Mapping) and value.get("reference") != "default of the law":
                origin = str(value.get("provenance", "not stated"))
                counts[origin] = counts.get(origin, 0) + 1
    return counts


def _phases(record: RunRecord) -> list[Mapping[str, Any]]:
    return [phase for phase in record.case.get("phase", []) if isinstance(phase, Mapping)]


def _parameters(phase: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters of a phase; none where an unresolved case only names their file."""
    parameters = phase.get("parameters", {})
    return parameters if isinstance(parameters, Mapping) else {}


def _phase_table(record: RunRecord) -> Markup:
    fractions = record.realized_fractions
    errors = record.mesh.get("quality", {}).get("phase_fraction_errors", {})
    names = list(fractions) or [str(phase.get("name")) for phase in _phases(record)]
    laws = {phase.get("name"): phase.get("law") for phase in _phases(record)}
    colours = phase_colours(names)
    rows = []
    for name in names:
        region = REGION_NUMERALS.get(name)
        meaning = f"region {region}: {_REGIONS[name]}" if region else ""
        share = fractions.get(name)
        error = errors.get(name)
        rows.append(
            (
                chip(colours[name], name.replace("_", "-")),
                meaning,
                None if share is None else f"{100.0 * share:.2f} %",
                None if error is None else f"{100.0 * error:+.2f} %",
                _law_in_words(str(laws.get(name))),
            )
        )
    head = ("phase", "what it is", "share of the volume", "mesh against geometry", "law")
    return table(head, rows, numeric=(2, 3))


def _descriptors(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Find everything that has a target and an achieved value, wherever it stands."""
    if isinstance(node, Mapping):
        if "achieved" in node and "target" in node:
            yield str(node.get("name") or path or "descriptor"), node
            return
        for key, value in node.items():
            yield from _descriptors(value, f"{path} {key}".strip().replace("_", " "))
    elif isinstance(node, list):
        for value in node:
            yield from _descriptors(value, path)


def _statistics_table(record: RunRecord, section: Mapping[str, Any]) -> Markup:
    """Every number the cell was made from, with its interval and where it comes from."""
    entries = record.descriptors.get("statistics")
    if not isinstance(entries, list) or not entries:
        return facts(_flat(section))
    rows = []
    for entry in entries:
        low, high = entry.get("lo95"), entry.get("hi95")
        interval = "" if low is None or high is None else f"{low:.4g} to {high:.4g}"
        rows.append(
            (
                str(entry.get("key", "")),
                entry.get("value"),
                "" if entry.get("unit") == "1" else entry.get("unit", ""),
                interval,
                entry.get("provenance", ""),
                entry.get("reference", ""),
            )
        )
    head = ("number", "value", "unit", "95 % interval", "provenance", "source")
    return table(head, rows, numeric=(1,))


def _met(entry: Mapping[str, Any]) -> Content:
    target, achieved, tolerance = (entry.get(key) for key in ("target", "achieved", "tolerance"))
    if target is None or achieved is None or tolerance is None:
        return ""
    met = abs(float(achieved) - float(target)) <= float(tolerance)
    if met:
        return badge("met", "good")
    return badge("missed", "bad") if entry.get("binding", True) else badge("does not bind")


def _law_in_words(law: str) -> str:
    name = law_class_name(law)
    return _LAWS.get(law, name if name == law else f"{name}, a law of the user's own")


def _specifications(law: str) -> tuple[ParameterSpec, ...]:
    """Parameters of a law; none if its file is no longer there."""
    try:
        return law_parameters(law)
    except (KeyError, LawFileError):
        return ()


def _parameter_table(record: RunRecord) -> Markup:
    phases = _phases(record)
    if not phases:
        return element("p", "The case of the run was not found.")
    # The same name can mean something else in another law.
    laws = [str(phase.get("law")) for phase in phases]
    specifications = {spec.name: spec for law in laws for spec in _specifications(law)}
    names: dict[str, None] = {}
    for phase in phases:
        names.update(dict.fromkeys(_parameters(phase)))
    references: list[str] = []
    rows = []
    for name in names:
        spec = specifications.get(name)
        label: list[Content] = [spec.description if spec else name]
        if spec and spec.unit:
            label.append(element("small", f" [{spec.unit}]"))
        values = [_parameters(phase).get(name) for phase in phases]
        rows.append([element("span", label), *(_parameter(value, references) for value in values)])
    colours = phase_colours([str(phase.get("name")) for phase in phases])
    head = [
        "parameter",
        *(
            chip(colours[str(phase.get("name"))], str(phase.get("name")).replace("_", "-"))
            for phase in phases
        ),
    ]
    parts: list[Content] = [table(head, rows)]
    counts = provenance_counts(record)
    if counts:
        total = sum(counts.values())
        said = ", ".join(f"{count} {origin}" for origin, count in sorted(counts.items()))
        parts.append(element("p", f"Of the {total} numbers given, {said}.", "soft"))
    if references:
        listed = [
            Markup(f"<small>[{n}] </small>{_escaped(text)}")
            for n, text in enumerate(references, start=1)
        ]
        parts.append(element("p", "Where the numbers come from:", "soft"))
        parts.append(element("div", [element("div", item, "soft") for item in listed]))
    return joined(parts)


def _escaped(text: str) -> str:
    return element("span", text).text


def _parameter(value: Any, references: list[str]) -> Content:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return value if isinstance(value, float | int | str) else str(value)
    shown: list[Content] = [value.get("value")]
    reference = value.get("reference")
    if reference == "default of the law":
        return element("span", [*shown, element("small", " default")], "neutral")
    note = str(value.get("provenance", ""))
    if reference:
        if reference not in references:
            references.append(str(reference))
        note += f" [{references.index(str(reference)) + 1}]"
    return element("span", [*shown, Markup("<br>"), element("small", note)])


def _load_in_words(load: Mapping[str, Any]) -> str:
    if load.get("kind") == "uniaxial-stress":
        strains = load.get("true_strain")
        path = strains if isinstance(strains, list) else [strains]
        numbers = [float(strain) for strain in path if isinstance(strain, float | int)]
        way = "compression" if numbers and numbers[-1] < 0.0 else "tension"
        listed = ", ".join(f"{strain:g}" for strain in numbers)
        return f"Uniaxial {way} along {load.get('axis')} to a true strain of {listed}"
    if load.get("kind") == "mixed":
        return f"A prescribed path of {len(load.get('segment', []))} segments"
    return "A load"


def _element_in_words(name: Any) -> Content:
    if name == "p2":
        return "p2: quadratic tetrahedra, 4 integration points"
    if name == "p2-nodal":
        return (
            "p2-nodal: quadratic tetrahedra, 4 integration points, pressure averaged at the "
            "vertices of each body"
        )
    return None if name is None else str(name)


def _verdict(value: Any, limit: float, text: str) -> Markup:
    if not isinstance(value, float | int):
        return element("span", text)
    level: Level = "good" if value >= limit else "warning"
    return element("span", [badge("good" if level == "good" else "poor", level), f" {text}"])


def _mesh_warnings(record: RunRecord, quality: Mapping[str, Any]) -> list[str]:
    warnings = []
    if (quality.get("minimum_gamma") or 1.0) < _GAMMA_WARNING:
        warnings.append(
            "Some tetrahedra are nearly flat: stresses in them are not reliable, and large strain "
            "may stop there first."
        )
    for name, error in quality.get("phase_fraction_errors", {}).items():
        if abs(error) > _FRACTION_WARNING:
            warnings.append(
                f"The mesh holds {100.0 * abs(error):.1f} % {'more' if error > 0 else 'less'} of "
                f"the phase {name} than the geometry: the stress level follows the meshed share."
            )
    thickness = record.cell.get("interface_thickness_nm")
    edge = quality.get("mean_edge_nm")
    if thickness and edge and edge > thickness:
        warnings.append(
            f"The mean edge ({edge:.2g} nm) is longer than the interfaces are thick "
            f"({thickness:.2g} nm): they are one element thick, which carries the mean stress but "
            "no profile across them."
        )
    return warnings


def _flat(table_: Mapping[str, Any], prefix: str = "") -> dict[str, Content]:
    """Flatten nested tables into dotted keys; a value with provenance becomes one line."""
    entries: dict[str, Content] = {}
    for key, value in table_.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and "value" in value:
            unit = f" {value['unit']}" if value.get("unit") else ""
            origin = f" ({value['provenance']})" if value.get("provenance") else ""
            entries[name] = f"{value['value']}{unit}{origin}"
        elif isinstance(value, Mapping):
            entries |= _flat(value, f"{name}.")
        elif _is_list_of_tables(value):
            for number, item in enumerate(value, start=1):
                entries |= _flat(item, f"{name} {number}.")
        else:
            entries[name] = str(value) if isinstance(value, list) else value
    return entries


def _is_list_of_tables(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
    )
