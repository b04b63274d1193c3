"""Laws at one point: along the load of a case, or through the standard tests with a figure."""

import csv
import io
from pathlib import Path

from ngcfem.case.build import (
    build_load_path,
    build_materials,
    build_solver_options,
)
from ngcfem.case.crystals import build_point_orientation
from ngcfem.case.materials import load_material
from ngcfem.case.schema import Case
from ngcfem.constitutive.material import Material
from ngcfem.errors import Finding, InputError
from ngcfem.homogenization.point import drive_point
from ngcfem.homogenization.point_tests import SIMPLE_SHEAR, PointTestResult, run_point_tests
from ngcfem.quantities import FloatArray, Kinematics
from ngcfem.results.atomic import write_bytes_atomically, write_text_atomically
from ngcfem.results.history import History, write_curve

_COLUMNS = (
    "time_s",
    "strain",
    "stress_gpa",
    "equivalent_plastic_strain",
    *(f"F{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3)),
    *(f"P{i}{j}_gpa" for i in (1, 2, 3) for j in (1, 2, 3)),
)


def point_stage(case: Case, phase: str, out: Path | None = None) -> str:
    """Drive the law of one phase along the load of a case, without a mesh.

    Parameters
    ----------
    case : Case
        A valid case.
    phase : str
        Name of the phase.
    out : Path or None
        Curve to write; by default ``<case>-<phase>.csv`` in the working directory.

    Returns
    -------
    str
        What was written, in words.

    Raises
    ------
    InputError
        If the case has no such phase.
    NotConvergedError
        If the load path could not be followed to its end.
    """
    material = _material_of(case, phase)
    options = build_solver_options(case)
    increments = list(
        drive_point(
            material,
            build_load_path(case),
            case.load.kinematics,
            viscosity_gpa_s=options.viscosity_gpa_s,
            orientation=build_point_orientation(case, phase),
        )
    )
    path = out or Path(f"{case.name}-{phase}.csv")
    history = History.from_increments(increments, case.load.axis, case.load.kinematics)
    write_curve(path, history)
    last = history.curve()
    return (
        f"{len(increments) - 1} steps of {material.law} ({phase}) written to {path}\n"
        f"  true strain {last.strain[-1]:+.6g}, true stress {last.stress_gpa[-1]:+.6g} GPa"
    )


def phase_tests_stage(
    case: Case, phase: str, out: Path | None = None, largest_strain: float = 0.2
) -> str:
    """Put the law of one phase of a case through the standard tests, and draw it.

    Parameters
    ----------
    case : Case
        A valid case; its kinematics, viscosity and (uniaxial) strain rate are used.
    phase : str
        Name of the phase.
    out : Path or None
        Directory to write to; by default ``<case>-<phase>-tests`` in the working directory.
    largest_strain : float
        Magnitude of the true strain that the tests end at.

    Returns
    -------
    str
        What was written, in words.

    Raises
    ------
    InputError
        If the case has no such phase, or the strain makes no sense.
    """
    material = _material_of(case, phase)
    return _write_tests(
        material,
        f"{phase}, {material.law}: {case.title or case.name}",
        out or Path(f"{case.name}-{phase}-tests"),
        largest_strain,
        case.load.kinematics,
        getattr(case.load, "rate_per_s", 1e-3),
        build_solver_options(case).viscosity_gpa_s,
        build_point_orientation(case, phase),
    )


def material_tests_stage(
    material_file: Path, out: Path | None = None, largest_strain: float = 0.2
) -> str:
    """Put the law of a parameter file through the standard tests, and draw it.

    Parameters
    ----------
    material_file : Path
        Parameter file (TOML).
    out : Path or None
        Directory to write to; by default ``<file>-tests`` in the working directory.
    largest_strain : float
        Magnitude of the true strain that the tests end at.

    Returns
    -------
    str
        What was written, in words.

    Raises
    ------
    InputError
        If the file or the strain is not sound.
    """
    loaded = load_material(material_file)
    material = Material(loaded.phase.name, loaded.phase.law, loaded.phase.parameters)
    return _write_tests(
        material,
        f"{loaded.title} ({material.law})",
        out or Path(f"{material_file.stem}-tests"),
        largest_strain,
    )


def _material_of(case: Case, phase: str) -> Material:
    materials = build_materials(case)
    if phase not in materials:
        raise InputError(
            [
                Finding(
                    str(case.path),
                    "phase",
                    f'"{phase}"',
                    "a phase of the case: " + ", ".join(materials),
                    "give one of them to --phase",
                )
            ]
        )
    return materials[phase]


def _write_tests(
    material: Material,
    title: str,
    directory: Path,
    largest_strain: float,
    kinematics: Kinematics = "finite",
    rate_per_s: float = 1e-3,
    viscosity_gpa_s: float = 0.0,
    orientation: FloatArray | None = None,
) -> str:
    from ngcfem.report.law_figure import draw_law, measured_curve

    if not 0.0 < largest_strain <= 2.0:
        raise InputError(
            [
                Finding(
                    "command line",
                    "--strain",
                    f"{largest_strain:g}",
                    "a true strain > 0 and <= 2",
                    "give its magnitude; tension and compression are both done",
                )
            ]
        )
    results = run_point_tests(
        material,
        kinematics,
        largest_strain,
        rate_per_s,
        viscosity_gpa_s=viscosity_gpa_s,
        orientation=orientation,
    )
    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"{title}: {len(results)} tests written to {directory}"]
    for result in results:
        strain, stress = measured_curve(result)
        write_text_atomically(directory / f"{result.name}.csv", _table(result))
        peak = int(stress.argmax())
        kind = "shear stress" if result.name == SIMPLE_SHEAR else "stress"
        lines.append(
            f"  {result.name}: largest {kind} {stress[peak]:.4g} GPa at {strain[peak]:.4g}, "
            f"{stress[-1]:.4g} GPa at {strain[-1]:.4g}"
            + (f"; stopped: {result.failure}" if result.failure else "")
        )
    picture = directory / "law.png"
    write_bytes_atomically(picture, draw_law(results, title))
    lines.append(f"  figure: {picture}")
    return "\n".join(lines)


def _table(result: PointTestResult) -> str:
    """The states of a test as CSV; strain and stress as the figure draws them."""
    from ngcfem.report.law_figure import measured_curve

    history = result.history
    strain, stress = measured_curve(result)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    rows = zip(
        history.time_s,
        strain,
        stress,
        result.equivalent_plastic_strain,
        history.deformation_gradient.reshape(-1, 9),
        history.first_piola_kirchhoff_stress.reshape(-1, 9),
        strict=True,
    )
    for time_s, one, other, plastic, gradient, nominal in rows:
        values = (time_s, one, other, plastic, *gradient, *nominal)
        writer.writerow([repr(float(value)) for value in values])
    return stream.getvalue()
