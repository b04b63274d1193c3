"""Which PETSc options a case file may set, and which the program owns."""

from collections.abc import Iterable, Iterator

from ngcfem.errors import Finding

_PETSC_OWNED: dict[str, str] = {
    "ksp_type": "the Krylov method is chosen by the symmetry of the tangent",
    "ksp_rtol": "use [solver] linear_tolerance",
    "ksp_atol": "use [solver] linear_tolerance",
    "ksp_max_it": "use [solver] maximum_linear_iterations",
    "ksp_norm_type": "the inexact Newton method needs the unpreconditioned norm",
    "ksp_pc_side": "the inexact Newton method needs the unpreconditioned norm",
    "ksp_initial_guess_nonzero": "every linear solve starts from zero",
    "pc_type": "the preconditioner is the two-level p-multigrid; tune mg_levels_* and mg_coarse_*",
    "pc_mg_levels": "there are two levels, P2 and P1",
    "pc_mg_galerkin": "the coarse operator is built by the program",
}


def check_petsc_options(options: Iterable[str], file: str) -> Iterator[Finding]:
    """Check the names of extra PETSc options.

    Parameters
    ----------
    options : iterable of str
        Names under [solver.petsc].
    file : str
        Name of the case file, for the messages.

    Yields
    ------
    Finding
        Each name that the program sets itself, or that PETSc would not know.
    """
    for key in options:
        bare = key.lstrip("-")
        if bare != key:
            yield Finding(
                file,
                f"solver.petsc.{key}",
                f'an option with a leading dash, "{key}"',
                "the option's name alone",
                f"write {bare}",
            )
        elif bare in _PETSC_OWNED or bare.startswith(("snes_", "ts_", "log_", "mat_", "vec_")):
            yield Finding(
                file,
                f"solver.petsc.{key}",
                f"{key}, which [solver] owns",
                "options of the multigrid levels: mg_levels_*, mg_coarse_*",
                _PETSC_OWNED.get(bare, "delete the line; there is no such part to set"),
            )
