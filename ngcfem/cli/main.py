"""The command line: one verb a function, each a thin call into the package."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ngcfem.cli.failure import report_failure, termination_as_interrupt
from ngcfem.cli.launch import prepare_environment, rank, relaunch


class _Verbs(TyperGroup):
    """The verbs in the order of the work, with errors turned into exit codes."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        try:
            with termination_as_interrupt():
                return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            if _belongs_to_command_line(error):
                raise
            ctx.exit(report_failure(error, bool(ctx.params.get("debug"))))


def _belongs_to_command_line(error: BaseException) -> bool:
    """Whether click itself turns an error into a message and a code."""
    return type(error).__module__.split(".")[0] in ("click", "typer")


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: drawing boxes would triple the time that --help takes.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Homogenized stress-strain curves of nanoglass-nanocrystal composites.

From the statistics of an atom probe data set to a periodic cell, a mesh, a finite-strain
simulation and a curve that is held against a pillar test. Units: nm, GPa, s.

\b
Examples:
  ngcfem validate cases/demo.toml      list everything that is wrong with a case file
  ngcfem run cases/demo.toml --np 2    run it on two processes
  ngcfem resume runs/demo-1a2b3c4d     go on with a run that was stopped
  ngcfem report runs/demo-1a2b3c4d     write its report anew
  ngcfem study STUDY                   run several cases and show them side by side

\b
Exit codes:
  0 ok                        4 cell or mesh refused
  1 internal or environment   5 interrupted, resume it
  2 bad input                 6 directory in use
  3 not converged             7 no disk or memory
""",
)

CasePath = Annotated[Path, typer.Argument(metavar="CASE", help="Case file (TOML).")]
RunPath = Annotated[Path, typer.Argument(metavar="DIR", help="Run directory.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Directory to write to (default: runs/<case>-<hash>)."),
]
Realization = Annotated[
    int | None,
    typer.Option("--realization", min=0, help="Only this one of an ensemble, counted from 0."),
]
Processes = Annotated[
    int | None, typer.Option("--np", min=1, help="Number of processes (default: 1).")
]


def _print(text: object) -> None:
    if rank() == 0:
        print(text, flush=True)


def _print_results(directory: Path) -> None:
    _print(f"finished: {directory}")
    report = directory / "report.html"
    if report.is_file():
        _print(f"report: {report}")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"ngcfem {version('ngcfem')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take the options that stand before the verb."""


@app.command("validate")
def _validate(case: CasePath) -> None:
    """Check a case file and everything it refers to.

    Lists everything that is wrong at once, each with its key, what is allowed and what to do.

    Example: ngcfem validate cases/demo.toml
    """
    from ngcfem.case.schema import load_case
    from ngcfem.case.summary import summary_of
    from ngcfem.workflow.problem_size import size_lines

    loaded = load_case(case)
    _print(f"{case}: valid\n{summary_of(loaded)}")
    for line in size_lines(loaded):
        _print(f"  {line}")


@app.command("show")
def _show(case: CasePath) -> None:
    """Print a case with defaults and provenance.

    Every number says where it comes from. What is printed is a case file itself.

    Example: ngcfem show cases/demo.toml > resolved.toml
    """
    from ngcfem.case.schema import load_case

    _print(load_case(case).resolved_toml().rstrip())


@app.command("generate")
def _generate(case: CasePath, out: Out = None, realization: Realization = None) -> None:
    """Generate the cell of a case, with pictures.

    Of an ensemble all cells are made, each in a directory of its own. What the statistics ask
    for is held against what the cell is; a cell that misses it is refused (exit code 4).

    Example: ngcfem generate cases/demo.toml --out cell
    """
    from ngcfem.case.realizations import chosen_realization
    from ngcfem.case.schema import load_case
    from ngcfem.cli.progress import ProgressReport
    from ngcfem.workflow.stages import generate_cells_stage

    loaded = chosen_realization(load_case(case), realization)
    with ProgressReport(loaded.load.axis, loaded.load.kinematics) as progress:
        text = generate_cells_stage(loaded, out, progress.watcher)
    _print(text)


@app.command("mesh")
def _mesh(case: CasePath, out: Out = None, realization: Realization = None) -> None:
    """Generate (or read) and check the mesh of a case.

    Says how large the problem is, and about what its run will need. Of an ensemble all meshes
    are made, each in a directory of its own.

    Example: ngcfem mesh cases/demo.toml --out mesh
    """
    from ngcfem.case.realizations import chosen_realization
    from ngcfem.case.schema import load_case
    from ngcfem.cli.progress import ProgressReport
    from ngcfem.workflow.stages import generate_meshes_stage

    loaded = chosen_realization(load_case(case), realization)
    with ProgressReport(loaded.load.axis, loaded.load.kinematics) as progress:
        text = generate_meshes_stage(loaded, out, progress.watcher)
    _print(text)


@app.command("run")
def _run(
    case: CasePath,
    out: Out = None,
    processes: Processes = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the directory if there is one.")
    ] = False,
    realization: Realization = None,
    objectivity: Annotated[
        bool,
        typer.Option("--objectivity", help="Run on two meshes, h and h/2, and say what differs."),
    ] = False,
) -> None:
    """Run a case to its curve and report.

    A case with n_realizations runs them one after another, each in a directory of its own, and
    ends with their mean curve and scatter. Also under a launcher: mpiexec -n 4 ngcfem run CASE.
    With --objectivity the same cell is meshed at the sizes of the case and at half of them, and
    the report states band width, dissipation and curve of both.

    Example: ngcfem run cases/demo.toml --np 2
    """
    from ngcfem.case.realizations import chosen_realization
    from ngcfem.case.schema import load_case

    prepare_environment()
    loaded = load_case(case)
    if objectivity:
        from ngcfem.case.resolutions import check_objectivity

        check_objectivity(loaded, realization)
    loaded = chosen_realization(loaded, realization)
    if processes is not None and processes > 1:
        relaunch(
            processes,
            [
                *_global_options(),
                "run",
                str(case),
                *(("--out", str(out)) if out else ()),
                *(("--resume",) if resume else ()),
                *(("--realization", str(realization)) if realization is not None else ()),
                *(("--objectivity",) if objectivity else ()),
            ],
        )
    from ngcfem.cli.progress import ProgressReport
    from ngcfem.workflow.stages import run_stage

    with ProgressReport(loaded.load.axis, loaded.load.kinematics) as progress:
        directory = run_stage(
            loaded, out, resume=resume, watcher=progress.watcher, objectivity=objectivity
        )
    _print_results(directory)


@app.command("study")
def _study(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Study file (TOML).")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Directory to write to (default: runs/<study>-<hash>)."),
    ] = None,
    processes: Processes = None,
) -> None:
    """Run several cases and show them side by side.

    The study file names the cases and the sections that must be the same in all. What has
    finished before is not run again, what was stopped goes on. Writes study.json and one page
    with the curves in one figure, a map of the plastic strain of each and a table of its bands.

    Example: ngcfem study cases/studies/four_microstructures.toml
    """
    from ngcfem.case.study import load_study

    prepare_environment()
    loaded = load_study(study)
    if processes is not None and processes > 1:
        relaunch(
            processes,
            [*_global_options(), "study", str(study), *(("--out", str(out)) if out else ())],
        )
    from ngcfem.cli.progress import ProgressReport
    from ngcfem.workflow.study import run_study

    load = loaded.cases[0].case.load
    with ProgressReport(load.axis, load.kinematics) as progress:
        directory = run_study(loaded, out, progress.watcher)
    _print_results(directory)


@app.command("resume")
def _resume(directory: RunPath, processes: Processes = None) -> None:
    """Go on with a run that was stopped.

    Of an ensemble, realizations that failed are tried again only once all others are done.

    Example: ngcfem resume runs/demo-1a2b3c4d --np 2
    """
    from ngcfem.case.schema import load_case
    from ngcfem.cli.progress import ProgressReport
    from ngcfem.results.run import RunDirectory
    from ngcfem.workflow.stages import resume_stage

    prepare_environment()
    loaded = load_case(RunDirectory.open(directory).resolved_case_file)
    if processes is not None and processes > 1:
        relaunch(processes, [*_global_options(), "resume", str(directory)])
    with ProgressReport(loaded.load.axis, loaded.load.kinematics) as progress:
        finished = resume_stage(directory, watcher=progress.watcher)
    _print_results(finished)


@app.command("point")
def _point(
    case: Annotated[Path | None, typer.Argument(metavar="[CASE]", help="Case file (TOML).")] = None,
    phase: Annotated[
        str | None, typer.Option("--phase", help="Phase of the case whose law is driven.")
    ] = None,
    material: Annotated[
        Path | None,
        typer.Option("--material", help="Parameter file instead of a case; implies --tests."),
    ] = None,
    tests: Annotated[
        bool,
        typer.Option("--tests", help="Standard tests with a figure instead of the load."),
    ] = False,
    strain: Annotated[
        float, typer.Option("--strain", help="Largest true strain of the tests.")
    ] = 0.2,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Curve to write (CSV); of the tests, directory."),
    ] = None,
) -> None:
    """Drive one law at a point, without a mesh.

    Along the load of a case; or through the standard tests: tension, compression, simple shear,
    unloading, jumps of the rate, each as a table, and all in one figure.

    Example: ngcfem point cases/demo.toml --phase grain --tests
    """
    from ngcfem.case.schema import load_case
    from ngcfem.workflow.stages import material_tests_stage, phase_tests_stage, point_stage

    _refuse_wrong_point(case, phase, material)
    if material is not None:
        _print(material_tests_stage(material, out, strain))
        return
    assert case is not None
    assert phase is not None
    loaded = load_case(case, for_point=True)
    _print(
        phase_tests_stage(loaded, phase, out, strain) if tests else point_stage(loaded, phase, out)
    )


def _refuse_wrong_point(case: Path | None, phase: str | None, material: Path | None) -> None:
    """Either a case with a phase, or a parameter file."""
    from ngcfem.errors import Finding, InputError

    findings = []
    if (case is None) == (material is None):
        both = "both a case and --material" if case is not None else "neither"
        findings.append(
            Finding(
                "command line",
                "point",
                both,
                "a case with --phase, or --material with a parameter file",
                "give one of the two",
            )
        )
    elif material is not None and phase is not None:
        findings.append(
            Finding(
                "command line",
                "--phase",
                f'"{phase}" with --material',
                "--phase with a case only: a parameter file holds one law",
                "leave one of the two out",
            )
        )
    elif case is not None and phase is None:
        findings.append(
            Finding(
                "command line",
                "--phase",
                "nothing",
                "a phase of the case",
                "name it; `ngcfem validate` lists the phases",
            )
        )
    if findings:
        raise InputError(findings)


@app.command("compare")
def _compare(
    target: Annotated[
        Path, typer.Argument(metavar="DIR|CURVE", help="Run directory, or a curve.csv.")
    ],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Pillar data (TOML).")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Directory of table and figure.")
    ] = None,
) -> None:
    """Hold a curve against pillar data, feature by feature.

    Example: ngcfem compare runs/demo-1a2b3c4d cases/data/fe90sc10_pillar.toml
    """
    from ngcfem.workflow.stages import compare_stage

    _print(compare_stage(target, data, out))


@app.command("stiffness")
def _stiffness(
    target: Annotated[
        Path, typer.Argument(metavar="CASE|DIR", help="Case file, or run directory.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Directory for a case (default: runs/<case>-<hash>-stiffness)."
        ),
    ] = None,
    processes: Processes = None,
) -> None:
    """Take the effective elastic stiffness of a cell.

    Of a case: undeformed, for every realization; what is there already is not computed again. Of
    a run: at its last saved state. Writes stiffness.json.

    Example: ngcfem stiffness cases/demo.toml --np 2
    """
    prepare_environment()
    if processes is not None and processes > 1:
        relaunch(
            processes,
            [
                *_global_options(),
                "stiffness",
                str(target),
                *(("--out", str(out)) if out else ()),
            ],
        )
    from ngcfem.cli.progress import ProgressReport
    from ngcfem.workflow.stages import stiffness_stage

    with ProgressReport("z", "finite") as progress:
        table = stiffness_stage(target, out, progress.watcher)
    _print(table)


@app.command("report")
def _report(directory: RunPath) -> None:
    """Write the report of a run anew.

    Of an ensemble, also mean curve, scatter and comparison, from what its realizations hold.

    Example: ngcfem report runs/demo-1a2b3c4d
    """
    from ngcfem.workflow.stages import report_stage

    _print(report_stage(directory))


@app.command("export")
def _export(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="Case file, run directory, or mesh (.msh)."),
    ],
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="inp, vtu, vtk, msh, msh22 or med (mesh); npy, vti or dream3d (voxels).",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.")] = None,
    order: Annotated[
        int | None, typer.Option("--order", help="Order of the elements of a mesh, 1 or 2.")
    ] = None,
    spacing: Annotated[
        float | None, typer.Option("--spacing", help="Largest edge of a voxel in nm.")
    ] = None,
    equations: Annotated[
        bool, typer.Option("--equations", help="Abaqus: periodicity as equations.")
    ] = False,
) -> None:
    """Write a mesh or a cell for another program.

    Meshes go with sets of phases, grains and periodic pairs; voxels are sampled from the cell.

    Example: ngcfem export cases/demo.toml --format inp --order 2
    """
    from ngcfem.workflow.export import export_stage

    _print(
        export_stage(
            source,
            file_format,
            out,
            order=order,
            spacing_nm=spacing,
            equations=equations,
        )
    )


@app.command("apt")
def _apt(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Data set: .pos, .epos, .apt, .ato or .csv.")
    ],
    ranges: Annotated[Path, typer.Argument(metavar="RANGES", help="Ranges: .rrng, .rng or .env.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Statistics file (.json; the rest goes beside it), or a directory for all.",
        ),
    ],
    background: Annotated[
        bool,
        typer.Option("--background", help="Take the background off the composition."),
    ] = False,
    ranging_only: Annotated[
        bool, typer.Option("--ranging-only", help="Stop at composition and mass spectrum.")
    ] = False,
    parameters: Annotated[
        Path | None,
        typer.Option("--parameters", help="Voxels, kernel, thresholds, ... (TOML)."),
    ] = None,
    sweep: Annotated[
        bool,
        typer.Option("--sweep", help="Show how each number moves with each parameter (long)."),
    ] = False,
    sweep_of: Annotated[
        str,
        typer.Option("--sweep-of", help="The same of these parameters alone, with commas."),
    ] = "",
    title: Annotated[str, typer.Option("--title", help="Name of material and state.")] = "",
    efficiency: Annotated[
        float | None,
        typer.Option("--efficiency", min=0.0, max=1.0, help="Detection efficiency, if known."),
    ] = None,
    true_strain: Annotated[
        float | None,
        typer.Option("--true-strain", help="Strain of the material; negative in compression."),
    ] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="The data were made: say so of every number.")
    ] = False,
) -> None:
    """Find and measure the regions of an atom probe data set.

    Ranges it, lays its composition on voxels, finds crystals, Sc-rich regions, network and grains,
    and writes the statistics file that cells are generated from, a report and tables.

    Example: ngcfem apt specimen.apt specimen.rrng --out statistics.json
    """
    from ngcfem.cli.progress import analysis_progress
    from ngcfem.workflow.specimen_analysis import SpecimenRequest, analyse_specimen

    names = [name.strip() for name in sweep_of.split(",") if name.strip()]
    request = SpecimenRequest(
        subtract_background=background,
        ranging_only=ranging_only,
        parameters=parameters,
        sweep=names if sweep or names else None,
        synthetic=synthetic,
        efficiency=efficiency,
        true_strain=true_strain,
        title=title,
    )
    with analysis_progress() as watch:
        text = analyse_specimen(data, ranges, out, request, watch)
    _print(text)


@app.command("apt-synthetic")
def _apt_synthetic(
    target: Annotated[
        Path, typer.Argument(metavar="CASE|DIR", help="Case file, or run directory.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Directory to write to; made if missing.")
    ],
    size: Annotated[
        str,
        typer.Option(
            "--size", help="Edges of the box in nm: 30 or 30,30,60 (default: those of the cell)."
        ),
    ] = "",
    efficiency: Annotated[
        float | None, typer.Option("--efficiency", help="Detection efficiency (default: 0.52).")
    ] = None,
    parameters: Annotated[
        Path | None,
        typer.Option("--parameters", help="Blur, masses, background, ... (TOML)."),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", "-f", help="Of pos, epos and apt, with commas.")
    ] = "apt",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the atoms.")] = 0,
    crystalline: Annotated[
        bool, typer.Option("--lattice", help="Atoms of the crystals on a bcc lattice.")
    ] = False,
    deformation: Annotated[
        str,
        typer.Option(
            "--deformation", help="Deformation gradient: three stretches, or nine numbers by rows."
        ),
    ] = "",
    step: Annotated[
        int | None, typer.Option("--step", help="Snapshot of the run (default: the last one).")
    ] = None,
    realization: Realization = None,
) -> None:
    """Evaporate a cell into an atom probe data set of known truth.

    Fills a box of the endless material with atoms, detects a share of them with errors of place and
    mass, and writes data, ranges, and beside them what the specimen really is: truth.json, and
    truth_statistics.json under the keys of the statistics file. Of a run, the deformed cell.

    Example: ngcfem apt-synthetic cases/demo.toml --size 30 --out specimen
    """
    from ngcfem.case.realizations import chosen_realization
    from ngcfem.case.schema import load_case
    from ngcfem.cli.progress import count_progress
    from ngcfem.workflow.apt_synthetic import SyntheticRequest, apt_synthetic_stage

    request = SyntheticRequest(
        size_nm=_numbers("--size", size),
        efficiency=efficiency,
        parameters=parameters,
        formats=tuple(formats.split(",")),
        seed=seed,
        crystalline=crystalline,
        deformation=_numbers("--deformation", deformation),
        step=step,
    )
    source = target if target.is_dir() else chosen_realization(load_case(target), realization)
    with count_progress("percent") as watch:
        text = apt_synthetic_stage(source, out, request, watch)
    _print(text)


@app.command("apt-compare")
def _apt_compare(
    first: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|DIR", help="Statistics file (JSON), or directory that apt wrote."
        ),
    ],
    second: Annotated[
        Path,
        typer.Argument(metavar="FILE|DIR", help="Another one, as of the deformed state."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Directory of table and figure.")
    ] = None,
) -> None:
    """Show two statistics files side by side.

    Every number with its interval, the change from the first to the second, and whether it is more
    than chance explains: for two states of a material, two specimens, or a measurement and truth.

    Example: ngcfem apt-compare undeformed.json deformed.json --out comparison
    """
    from ngcfem.workflow.apt_compare import apt_compare_stage

    _print(apt_compare_stage(first, second, out))


def _numbers(option: str, text: str) -> tuple[float, ...]:
    """Numbers that stand in one option with commas."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        from ngcfem.errors import Finding, InputError

        allowed, remedy = "numbers with commas between them", "correct the option"
        raise InputError([Finding("command line", option, text, allowed, remedy)]) from error


@app.command("doctor")
def _doctor() -> None:
    """Examine this machine.

    Says whether it has what ngcfem needs, and what to do if not.

    Example: ngcfem doctor
    """
    from ngcfem.cli.doctor import examine

    failed = False
    for diagnosis in examine(Path.cwd()):
        _print(f"{diagnosis.verdict:4}  {diagnosis.subject}: {diagnosis.found}")
        if diagnosis.remedy:
            _print(f"      -> {diagnosis.remedy}")
        failed = failed or diagnosis.verdict == "fail"
    if failed:
        raise typer.Exit(1)


def _global_options() -> list[str]:
    return ["--debug"] if "--debug" in sys.argv[1:] else []


def main() -> None:
    """Run the command line."""
    app()
