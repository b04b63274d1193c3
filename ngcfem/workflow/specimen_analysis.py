"""The verb apt: from a data set and its ranges to regions, statistics file and report."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ngcfem.atomprobe.composition_field import composition_field
from ngcfem.atomprobe.crystals import CrystalsFound
from ngcfem.atomprobe.field_analyses import FieldAnalysisSettings, analyse_field
from ngcfem.atomprobe.measured_statistics import DataSource, measured_statistics
from ngcfem.atomprobe.parameter_file import parameter_values, read_parameters
from ngcfem.atomprobe.parameter_sweep import SweptValue, sweep_parameters, sweepable
from ngcfem.atomprobe.ranged_ions import RangedIons, read_ranged_ions
from ngcfem.atomprobe.ranging import Composition
from ngcfem.atomprobe.regions import (
    REGION_ELEMENTS,
    RegionParameters,
    RegionsFound,
    measure_regions,
)
from ngcfem.atomprobe.statistics import write_statistics
from ngcfem.atomprobe.statistics_sections import StatisticsFile
from ngcfem.errors import Finding, InputError
from ngcfem.results.atomic import (
    write_file_atomically,
    write_json_atomically,
    write_text_atomically,
)
from ngcfem.workflow.atom_probe import RangedDataSet, apt_stage
from ngcfem.workflow.watching import AnalysisWatch

STATISTICS_NAME = "statistics.json"
_MOST_VOXELS = 1.0e8
_WORDS = (
    ("crystals.diameter_mean", "crystals: mean diameter"),
    ("crystals.number_density", "crystals: number density"),
    ("volume_fractions.nanocrystal", "crystals: volume fraction"),
    ("sc_rich.share_of_crystals", "Sc-rich: share of crystals with one"),
    ("sc_rich.radius", "Sc-rich: equivalent radius"),
    ("interface.thickness", "network: thickness"),
    ("interface.gibbs_excess_sc", "network: Gibbs excess of Sc"),
    ("grains.lineal_intercept", "grains: lineal intercept"),
    ("grains.equivalent_diameter", "grains: equivalent diameter"),
    ("composition.grain.Sc", "grains: Sc"),
)


@dataclass(frozen=True)
class SpecimenParameters:
    """All parameters of the analysis of a specimen, as a file of parameters names them.

    Parameters
    ----------
    fields : FieldAnalysisSettings
        Of isosurfaces, slices, profiles, neighbours and the frequency test.
    regions : RegionParameters
        Of the four regions, and of the field in which they are found.
    """

    fields: FieldAnalysisSettings = field(default_factory=FieldAnalysisSettings)
    regions: RegionParameters = field(default_factory=RegionParameters)


@dataclass(frozen=True)
class SpecimenRequest:
    """What is asked of the analysis of a specimen.

    Parameters
    ----------
    subtract_background : bool
        Whether the background is taken off the composition.
    ranging_only : bool
        Whether to stop at composition and mass spectrum.
    parameters : Path or None
        File of parameters.
    sweep : sequence of str, or None
        Parameters to be varied, by their dotted names; an empty one for all of the regions; None
        for no sweep.
    synthetic : bool
        Whether the data were made and not measured, which becomes the provenance of every number.
    efficiency, true_strain : float or None
        Detection efficiency, and strain of the material, if known.
    title : str
        Name of material and state; the name of the file if empty.
    """

    subtract_background: bool = False
    ranging_only: bool = False
    parameters: Path | None = None
    sweep: Sequence[str] | None = None
    synthetic: bool = False
    efficiency: float | None = None
    true_strain: float | None = None
    title: str = ""


def analyse_specimen(
    data: Path,
    ranges: Path,
    out: Path,
    request: SpecimenRequest | None = None,
    watch: AnalysisWatch | None = None,
) -> str:
    """Analyse an atom probe data set, and write what was found.

    Parameters
    ----------
    data : Path
        Data set: .pos, .epos, .apt, .ato or .csv.
    ranges : Path
        Ranges: .rrng, .rng or .env.
    out : Path
        The statistics file to write, if its name ends in .json: the rest goes to a directory of the
        same name without the ending. Else that directory, which then holds the statistics file.
    request : SpecimenRequest or None
        What is asked for.
    watch : AnalysisWatch or None
        Who is told how far it has come.

    Returns
    -------
    str
        What was found, in words.

    Raises
    ------
    InputError
        With every finding of the files.

    Notes
    -----
    Regions are looked for where iron and scandium are ranged. Without them, fields, profiles and
    tests of randomness are made for the element of the parameters or, if it is absent, the second
    most frequent one, and no statistics file is written.
    """
    request, watch = request or SpecimenRequest(), watch or AnalysisWatch()
    statistics_path = out if out.suffix == ".json" else out / STATISTICS_NAME
    directory = out.with_suffix("") if out.suffix == ".json" else out
    parameters = _parameters(request)
    data_set = apt_stage(data, ranges, directory, request.subtract_background, watch.ions)
    if request.ranging_only or not data_set.ranged.counts.sum():
        return f"{data_set.text}\n\nwritten: {directory}"
    _check_extent(data, data_set, parameters.regions)
    watch.say("reading ions")
    ions = read_ranged_ions(data_set.ions, data_set.ranged.table)
    regions, statistics, lines = None, None, [data_set.text, ""]
    if all(ions.atoms_of(element).any() for element in REGION_ELEMENTS):
        regions = measure_regions(ions, parameters.regions, watch.stage)
        write_text_atomically(directory / "crystals.csv", _crystal_table(regions.crystals))
        statistics, remarks = _statistics(request, data, data_set, regions)
        lines += _in_words(regions, remarks)
        if statistics is not None:
            statistics_path.parent.mkdir(parents=True, exist_ok=True)
            content = statistics
            write_file_atomically(statistics_path, lambda part: write_statistics(content, part))
            lines.append(f"statistics file: {statistics_path}")
        if request.sweep is not None:
            _sweep(ions, parameters.regions, request.sweep, directory, watch)
            lines.append(f"sweep of the parameters: {directory / 'sweep.csv'}")
    else:
        lines.append(
            "Iron and scandium are not both ranged: no regions, and no statistics file, which is "
            "of iron and scandium."
        )
    _report(data, data_set, ions, parameters, regions, statistics, directory, watch)
    lines.append(f"report: {directory / 'report.html'}")
    return "\n".join(lines)


def _parameters(request: SpecimenRequest) -> SpecimenParameters:
    parameters = SpecimenParameters()
    if request.parameters is not None:
        parameters = read_parameters(request.parameters, SpecimenParameters)
    known = sweepable(parameters.regions)
    unknown = [name for name in request.sweep or () if name not in known]
    if unknown:
        raise InputError(
            Finding("command line", "--sweep", name, ", ".join(known), "give one of these names")
            for name in unknown
        )
    return parameters


def _check_extent(data: Path, data_set: RangedDataSet, parameters: RegionParameters) -> None:
    metadata, voxel = data_set.ranged.metadata, parameters.crystals.voxel_nm
    n_voxels = 1.0
    for low, high in zip(metadata.lowest_nm, metadata.highest_nm, strict=True):
        n_voxels *= max((high - low) / voxel, 1.0)
    if n_voxels > _MOST_VOXELS:
        size = " x ".join(
            f"{high - low:.0f}"
            for low, high in zip(metadata.lowest_nm, metadata.highest_nm, strict=True)
        )
        remedy = (
            "take out stray ions, give larger voxels with --parameters "
            "(regions.crystals.voxel_nm), or stop at the composition with --ranging-only"
        )
        allowed = f"at most {_MOST_VOXELS:.0e}, so that they fit into memory"
        found = f"{size} nm, which are {n_voxels:.1e} voxels of {voxel:g} nm"
        raise InputError([Finding(str(data), "extent", found, allowed, remedy)])


def _statistics(
    request: SpecimenRequest, data: Path, data_set: RangedDataSet, regions: RegionsFound
) -> tuple[StatisticsFile | None, list[str]]:
    """The statistics file, or why there is none."""
    summary = data_set.summary
    source = DataSource(
        title=request.title or data.stem,
        files_sha256={
            entry["file"]: entry["sha256"] for entry in summary["provenance"]["inputs"].values()
        },
        n_ions=data_set.ranged.metadata.n_ions,
        ranged_fraction=data_set.ranged.ranged_fraction,
        volume_nm3=regions.composition.volume_nm3,
        provenance="synthetic" if request.synthetic else "measured",
        efficiency=request.efficiency,
        true_strain=request.true_strain,
        notes=[f"No network was found: {regions.failure}."] if regions.failure else [],
    )
    try:
        return measured_statistics(source, data_set.composition, regions.quantities), []
    except InputError as error:
        remarks = [
            f"{finding.key}: {finding.found}; allowed is {finding.allowed}"
            for finding in error.findings
        ]
        return None, ["No statistics file, as the numbers contradict each other:", *remarks]


def _in_words(regions: RegionsFound, remarks: Sequence[str]) -> list[str]:
    lines = [f"{len(regions.crystals)} crystals"]
    if regions.network is not None:
        lines[0] += f", {regions.network.surfaces.grains.number} grains"
    for key, name in _WORDS:
        if key not in regions.quantities:
            continue
        found = regions.quantities[key]
        interval = ""
        if found.lo95 is not None and found.hi95 is not None:
            interval = f"  [{found.lo95:.4g}, {found.hi95:.4g}]"
        unit = "" if found.unit == "1" else f" {found.unit}"
        lines.append(f"  {name:36}{found.value:10.4g}{interval}{unit}")
    if regions.failure:
        lines.append(f"no network: {regions.failure}")
    return [*lines, *remarks, ""]


def _crystal_table(crystals: CrystalsFound) -> str:
    """One line a crystal, the most certain first."""
    columns: dict[str, Any] = {
        "x_nm": crystals.centre_nm[:, 0],
        "y_nm": crystals.centre_nm[:, 1],
        "z_nm": crystals.centre_nm[:, 2],
        "radius_nm": crystals.radius_nm,
        "radius_standard_error_nm": crystals.radius_error_nm,
        "longest_semi_axis_nm": crystals.semi_axes_nm[:, 0],
        "middle_semi_axis_nm": crystals.semi_axes_nm[:, 1],
        "shortest_semi_axis_nm": crystals.semi_axes_nm[:, 2],
        "aspect_ratio_standard_error": crystals.aspect_ratio_error,
        "sc_atomic_fraction": crystals.crystal_content,
        "log_likelihood_gain": crystals.log_likelihood_gain,
        "share_inside": crystals.inside_share,
        "cut": crystals.cut.astype(int),
        "below_resolution": crystals.below_resolution.astype(int),
        "capped": crystals.capped.astype(int),
        "cap_thickness_nm": crystals.cap_thickness_nm,
        "cap_half_angle_deg": crystals.cap_half_angle_deg,
        "cap_sc_atomic_fraction": crystals.cap_content,
    }
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        ["" if value != value else f"{value:.6g}" for value in row]
        for row in zip(*columns.values(), strict=True)
    )
    return stream.getvalue()


def _sweep(
    ions: RangedIons,
    parameters: RegionParameters,
    names: Sequence[str],
    directory: Path,
    watch: AnalysisWatch,
) -> None:
    def measure(changed: RegionParameters) -> dict[str, float]:
        found = measure_regions(ions, changed)
        return {key: quantity.value for key, quantity in found.quantities.items()}

    rows = sweep_parameters(
        parameters,
        measure,
        names or None,
        watch=lambda done, total: watch.say("sweep", done, total),
    )
    write_text_atomically(directory / "sweep.csv", _sweep_table(rows, measure(parameters)))
    write_json_atomically(directory / "sweep.json", [asdict(row) for row in rows])


def _sweep_table(rows: Sequence[SweptValue], base: dict[str, float]) -> str:
    """Every number, with the parameters as they are and with each one changed."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["number", "default", *(f"{row.parameter} = {row.value:.6g}" for row in rows)])
    for key, value in base.items():
        found = (row.numbers.get(key) for row in rows)
        cells = ("" if number is None else f"{number:.6g}" for number in found)
        writer.writerow([key, f"{value:.6g}", *cells])
    return stream.getvalue()


def _element(ions: RangedIons, composition: Composition, wanted: str) -> str:
    if ions.atoms_of(wanted).any():
        return wanted
    order = sorted(zip(composition.atoms.tolist(), composition.elements, strict=True), reverse=True)
    return order[min(1, len(order) - 1)][1] if order else wanted


def _report(
    data: Path,
    data_set: RangedDataSet,
    ions: RangedIons,
    parameters: SpecimenParameters,
    regions: RegionsFound | None,
    statistics: StatisticsFile | None,
    directory: Path,
    watch: AnalysisWatch,
) -> None:
    from ngcfem.report.atom_probe_document import atom_probe_document
    from ngcfem.report.atom_probe_network import network_section, network_surfaces
    from ngcfem.report.atom_probe_regions import crystal_section, crystal_surfaces

    searched = parameters.regions.crystals
    settings = replace(
        parameters.fields,
        element=_element(ions, data_set.composition, parameters.fields.element),
    )
    composition = (
        composition_field(ions, searched.voxel_nm, searched.kernel_sigma_nm)
        if regions is None
        else regions.composition
    )
    analyses = analyse_field(ions, composition, settings, lambda name: watch.say(name))
    watch.say("report")
    atom_probe_document(
        directory / "report.html",
        f"Atom probe specimen {data.stem}",
        data_set.summary,
        composition,
        analyses,
        spectrum=(directory / "mass_spectrum.png").read_bytes(),
        statistics=statistics,
        regions=(
            ()
            if regions is None
            else (*crystal_surfaces(regions.crystals), *network_surfaces(regions))
        ),
        sections=(
            () if regions is None else (crystal_section(regions.crystals), network_section(regions))
        ),
        parameters={} if regions is None else {"regions": parameters.regions},
    )
    write_json_atomically(
        directory / "parameters.json", parameter_values(replace(parameters, fields=settings))
    )
