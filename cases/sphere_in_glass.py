"""An iron sphere in a hardening glass: compression, unloading, and the stiffness on the way.

The same line as a case file, written by hand: cell, mesh, problem, and a loop that belongs to this
script. Run it with ``python cases/sphere_in_glass.py`` or, on two processes, with
``mpiexec -n 2 python cases/sphere_in_glass.py``.
"""

from mpi4py import MPI

from ngcfem.constitutive.material import Material
from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.homogenization.stiffness import effective_stiffness
from ngcfem.loading.path import uniaxial_stress
from ngcfem.mesh.generation import generate_mesh
from ngcfem.microstructure.simple_cells import sphere_cell
from ngcfem.results.curve import StressStrainCurve

GLASS = Material(
    phase="matrix",
    law="j2",
    parameters={
        "youngs_modulus_gpa": 140.0,  # estimate for a Fe90Sc10 glass
        "poisson_ratio": 0.33,
        "yield_strength_gpa": 2.7,
        "hardening_modulus_gpa": 5.0,
    },
)
IRON = Material(
    phase="inclusion",
    law="elastic",
    parameters={"youngs_modulus_gpa": 204.0, "poisson_ratio": 0.29},
)


def main(size_nm: float = 1.5, increments: int = 20) -> StressStrainCurve:
    """Compress the cell by 10 % true strain, unload, and follow the curve."""
    cell = sphere_cell(fraction=0.2, cell_nm=10.0)
    mesh = generate_mesh(cell, size_nm)
    volume = build_representative_volume(MPI.COMM_WORLD, mesh)
    problem = PeriodicProblem(volume, {"matrix": GLASS, "inclusion": IRON})
    stiffness = effective_stiffness(problem)
    say(f"{problem.number_of_dofs} unknowns, E_z = {stiffness.youngs_moduli_gpa[2]:.2f} GPa")

    path = uniaxial_stress("z", [-0.10, -0.08], rate_per_s=1e-3, increments=increments)
    history = []
    for increment in problem.march(path):
        history.append(increment)
        glass = increment.phases["matrix"]
        say(
            f"F33 {increment.deformation_gradient[2, 2]:.4f}  "
            f"P33 {increment.first_piola_kirchhoff_stress[2, 2]:+.4f} GPa  "
            f"plastic strain of the glass {glass.mean_equivalent_plastic_strain:.4f}"
        )
    return StressStrainCurve.from_increments(history, axis="z", kinematics="finite")


def say(text: str) -> None:
    """Print once, however many processes there are."""
    if MPI.COMM_WORLD.rank == 0:
        print(text, flush=True)


if __name__ == "__main__":
    curve = main()
    say(f"largest true stress: {abs(curve.stress_gpa).max():.3f} GPa")
