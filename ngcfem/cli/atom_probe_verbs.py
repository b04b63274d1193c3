"""The verbs for atom probe data."""

from pathlib import Path
from typing import Annotated

import typer


def add_atom_probe_verbs(app: typer.Typer) -> None:
    """Put the verbs for atom probe data on the command line.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("apt")(_apt)
    app.command("apt-synthetic")(_apt_synthetic)
    app.command("apt-compare")(_apt_compare)


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
    print(text)


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
    realization: Annotated[
        int | None,
        typer.Option("--realization", min=0, help="Only this one of an ensemble, counted from 0."),
    ] = None,
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
    print(text)


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

    print(apt_compare_stage(first, second, out))


def _numbers(option: str, text: str) -> tuple[float, ...]:
    """Numbers that stand in one option with commas."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        from ngcfem.errors import Finding, InputError

        allowed, remedy = "numbers with commas between them", "correct the option"
        raise InputError([Finding("command line", option, text, allowed, remedy)]) from error
