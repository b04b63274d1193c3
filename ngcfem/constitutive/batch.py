"""Laws at many points: chunks of fixed size through one compiled kernel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ngcfem.constitutive.crystal_plasticity import CrystalPlasticity
from ngcfem.constitutive.cubic_elasticity import CubicElastic
from ngcfem.constitutive.elasticity import IsotropicElastic
from ngcfem.constitutive.free_volume import (
    EffectiveTemperature,
    FreeVolume,
    FreeVolumeRelaxation,
)
from ngcfem.constitutive.kinematics import (
    FieldCoupling,
    PointUpdate,
    finite_strain_kernel,
    small_strain_kernel,
)
from ngcfem.constitutive.lattice_kinematics import (
    ORIENTATION_NAMES,
    deformed_lattice,
    lattice_kernel,
    plastic_names,
    virgin_state,
)
from ngcfem.constitutive.lattice_law import LatticeLaw
from ngcfem.constitutive.law import Law
from ngcfem.constitutive.law_files import law_from_file, names_law_file
from ngcfem.constitutive.mohr_coulomb import MohrCoulomb
from ngcfem.constitutive.nonlocal_parameters import (
    MICROMORPHIC_MODULUS,
    NONLOCAL_NAMES,
    OVERNONLOCAL_WEIGHT,
)
from ngcfem.constitutive.parameters import (
    law_parameters,
    resolve_parameters,
    strength_parameters,
)
from ngcfem.constitutive.plasticity import EQUIVALENT_PLASTIC_STRAIN, J2, DruckerPrager
from ngcfem.constitutive.xla import jax, jnp, keep_compiled_code
from ngcfem.quantities import FloatArray, Int32Array, Kinematics

LAWS: Mapping[str, Law | LatticeLaw] = {
    law.name: law
    for law in (
        IsotropicElastic(),
        J2(),
        DruckerPrager(),
        MohrCoulomb(),
        FreeVolume(),
        EffectiveTemperature(),
        FreeVolumeRelaxation(),
        CubicElastic(),
        CrystalPlasticity(),
    )
}


def law_named(name: str) -> Law | LatticeLaw:
    """Find a law.

    Parameters
    ----------
    name : str
        Key of `LAWS`, or ``file.py:ClassName``.

    Returns
    -------
    Law or LatticeLaw
        The law.

    Raises
    ------
    ValueError
        If there is no such law; a `LawFileError` if its file has no sound one.
    """
    if names_law_file(name):
        return law_from_file(name)
    if name not in LAWS:
        raise ValueError(f"unknown law {name!r}; there are {', '.join(sorted(LAWS))}")
    return LAWS[name]


DEFAULT_CHUNK_SIZE = 4096
"""Points whose data fit into the second-level cache; smaller pays overhead, larger misses."""

_FINITE_PLASTIC_STATE = ("11", "22", "33", "12", "23", "13")


@dataclass(frozen=True, eq=False)
class NonlocalInput:
    """The nonlocal field at n points of one phase.

    Parameters
    ----------
    field : ndarray, shape (n,)
        chi.
    constants : ndarray, shape (2,)
        Over-nonlocal weight and micromorphic modulus (GPa), from `BatchedLaw.field_constants`.
    """

    field: FloatArray
    constants: FloatArray


@dataclass(frozen=True, eq=False)
class NonlocalCoupling:
    """What couples n points to the nonlocal field; columns of one array.

    Parameters
    ----------
    values : ndarray, shape (n, 20)
        kappa, dkappa/dchi, dP/dchi (9, GPa), dkappa/dF (9).
    """

    values: FloatArray

    @property
    def source(self) -> FloatArray:
        """Variable kappa that feeds the field, shape (n,)."""
        return self.values[:, 0]

    @property
    def source_by_field(self) -> FloatArray:
        """Derivative dkappa/dchi, shape (n,)."""
        return self.values[:, 1]

    @property
    def stress_by_field(self) -> FloatArray:
        """Derivative dP/dchi in GPa, shape (n, 9)."""
        return self.values[:, 2:11]

    @property
    def source_by_gradient(self) -> FloatArray:
        """Derivative dkappa/dF, shape (n, 9)."""
        return self.values[:, 11:]


@dataclass(frozen=True, eq=False)
class BatchResult:
    """Response of n points.

    Parameters
    ----------
    first_piola_kirchhoff_stress : ndarray, shape (n, 9)
        Row-major, GPa; NaN where the status is not 0. Small kinematics: the stress.
    consistent_tangent : ndarray, shape (n, 81), or None
        dP_iJ/dF_kL at 27 i + 9 J + 3 k + L, GPa; NaN where the status is not 0.
    state : ndarray, shape (n, number of state variables)
        State at the end of the step; the old state where the status is not 0.
    status : ndarray of int32, shape (n,)
        0 ok, 1 local iteration not converged, 2 det F <= 0, 3 not finite.
    coupling : NonlocalCoupling or None
        None where there is no nonlocal field, or no tangent is asked for.
    """

    first_piola_kirchhoff_stress: FloatArray
    consistent_tangent: FloatArray | None
    state: FloatArray
    status: Int32Array
    coupling: NonlocalCoupling | None = None


@cache
def _compiled(law_name: str, kinematics: str, tangent: bool) -> Callable[..., PointUpdate]:
    """Kernel shared by every phase with the same law; parameters are arguments, not constants."""
    keep_compiled_code()
    law = law_named(law_name)
    if isinstance(law, LatticeLaw):
        return jax.jit(lattice_kernel(law, kinematics == "finite", tangent))
    make = finite_strain_kernel if kinematics == "finite" else small_strain_kernel
    return jax.jit(make(law, tangent))


class BatchedLaw:
    """One law, evaluated at any number of points.

    Parameters
    ----------
    law_name : str
        Name of the law, as `law_named` takes it.
    kinematics : {"finite", "small"}
        Finite strain, or small strain with F - I as the displacement gradient.
    chunk_size : int
        Points a compiled call works on. One size means one compilation.

    Raises
    ------
    ValueError
        If the law, the kinematics or the chunk size is not valid.

    Notes
    -----
    The points are cut into chunks; the last one is filled up with points at F = I in the initial
    state, so that the compiled code sees one shape. Parameters, time increment and viscosity are
    arguments of the compiled code: changing them compiles nothing.
    """

    def __init__(
        self, law_name: str, kinematics: Kinematics, chunk_size: int = DEFAULT_CHUNK_SIZE
    ) -> None:
        law = law_named(law_name)
        if kinematics not in ("finite", "small"):
            raise ValueError(f"kinematics must be 'finite' or 'small', not {kinematics!r}")
        if chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, not {chunk_size}")
        self.law_name = law_name
        self.kinematics = kinematics
        self.chunk_size = chunk_size
        if isinstance(law, LatticeLaw):
            plastic = (*ORIENTATION_NAMES, *plastic_names(law, kinematics))
        else:
            tensor = (
                "inverse_plastic_right_cauchy_green" if kinematics == "finite" else "plastic_strain"
            )
            plastic = tuple(f"{tensor}_{ij}" for ij in _FINITE_PLASTIC_STATE)
            plastic = plastic if law.has_plastic_strain else ()
        self.state_names: tuple[str, ...] = (*plastic, *law.internal_variables)

    @property
    def number_of_state_variables(self) -> int:
        """Columns of the state array."""
        return len(self.state_names)

    @property
    def plastic_strain_index(self) -> int | None:
        """Column of the equivalent plastic strain kappa, or None if the law has none."""
        if EQUIVALENT_PLASTIC_STRAIN in self.state_names:
            return self.state_names.index(EQUIVALENT_PLASTIC_STRAIN)
        return None

    def parameter_vector(self, parameters: Mapping[str, float | str]) -> FloatArray:
        """Values of the parameters in the order the law reads them.

        Parameters
        ----------
        parameters : mapping of str to float
            Valid parameters; those left out take their default.

        Returns
        -------
        ndarray, shape (number of parameters,)
            Values in the units of the names, without those of the internal length.
        """
        resolved = resolve_parameters(self.law_name, parameters)
        names = [spec.name for spec in law_parameters(self.law_name)]
        return np.array([resolved[name] for name in names if name not in NONLOCAL_NAMES])

    def scaled_strength(self, parameter_vector: FloatArray, factors: FloatArray) -> FloatArray:
        """Parameter vectors of points whose strength differs.

        Parameters
        ----------
        parameter_vector : ndarray, shape (number of parameters,)
            From `parameter_vector`.
        factors : ndarray, shape (n,)
            What the strength of each point is multiplied by.

        Returns
        -------
        ndarray, shape (n, number of parameters)
            A row for each point; the elastic constants, the scales of strain and the rates are
            those of all.
        """
        scaled = set(strength_parameters(self.law_name))
        names = [spec.name for spec in law_parameters(self.law_name)]
        columns = np.array([name in scaled for name in names if name not in NONLOCAL_NAMES])
        rows = np.tile(parameter_vector, (len(factors), 1))
        rows[:, columns] *= factors[:, None]
        return rows

    @property
    def nonlocal_variable(self) -> str | None:
        """Internal variable that feeds a nonlocal field, or None if the law takes none."""
        return law_named(self.law_name).nonlocal_variable

    def field_constants(self, parameters: Mapping[str, float | str]) -> FloatArray:
        """Constants of the nonlocal softening.

        Parameters
        ----------
        parameters : mapping of str to float
            Valid parameters of a law with an internal length.

        Returns
        -------
        ndarray, shape (2,)
            Over-nonlocal weight and micromorphic modulus in GPa; 0 where the law has none.
        """
        resolved = resolve_parameters(self.law_name, parameters)
        names = (OVERNONLOCAL_WEIGHT, MICROMORPHIC_MODULUS)
        return np.array([resolved.get(name, 0.0) for name in names])

    @property
    def needs_orientation(self) -> bool:
        """Whether the law depends on the directions of a lattice."""
        return isinstance(law_named(self.law_name), LatticeLaw)

    def initial_state(self, n: int, orientation: FloatArray | None = None) -> FloatArray:
        """State of undeformed, virgin points.

        Parameters
        ----------
        n : int
            Number of points.
        orientation : ndarray, shape (n, 4), or None
            Unit quaternions (w, x, y, z) from lattice to specimen coordinates, for laws that need
            them; None puts the lattice on the axes.

        Returns
        -------
        ndarray, shape (n, number of state variables)
            C_p^-1 = I or F_p^-1 = I (finite), zero plastic strain (small), zero internal variables,
            and the orientation of a lattice.
        """
        law = law_named(self.law_name)
        if isinstance(law, LatticeLaw):
            if orientation is None:
                orientation = np.tile([1.0, 0.0, 0.0, 0.0], (n, 1))
            return virgin_state(law, self.kinematics, orientation)
        state = np.zeros((n, self.number_of_state_variables))
        if self.kinematics == "finite" and law.has_plastic_strain:
            state[:, :3] = 1.0
        return state

    def lattice_rotation(self, deformation_gradient: FloatArray, state: FloatArray) -> FloatArray:
        """Rotation of the lattice at n points of a crystal, as deformed.

        Parameters
        ----------
        deformation_gradient : ndarray, shape (n, 9)
            F, row-major.
        state : ndarray, shape (n, number of state variables)
            The state that goes with it.

        Returns
        -------
        ndarray, shape (n, 3, 3)
            Rotation from lattice to specimen coordinates: that of the elastic deformation in finite
            strain, the initial one in small strain.

        Raises
        ------
        ValueError
            If the law has no lattice.
        """
        law = law_named(self.law_name)
        if not isinstance(law, LatticeLaw):
            raise ValueError(f"law {self.law_name} has no lattice")
        return deformed_lattice(law, self.kinematics, deformation_gradient, state)

    def update(
        self,
        deformation_gradient: FloatArray,
        state: FloatArray,
        parameter_vector: FloatArray,
        time_increment_s: float,
        viscosity_gpa_s: float = 0.0,
        tangent: bool = True,
        out: BatchResult | None = None,
        nonlocal_input: NonlocalInput | None = None,
    ) -> BatchResult:
        """Advance n points by one step.

        Parameters
        ----------
        deformation_gradient : ndarray, shape (n, 9)
            F at the end of the step, row-major.
        state : ndarray, shape (n, number of state variables)
            State at the start of the step; never modified.
        parameter_vector : ndarray, shape (number of parameters,) or (n, number of parameters)
            From `parameter_vector`: one for all points, or a row for each.
        time_increment_s : float
            Length of the step, positive.
        viscosity_gpa_s : float
            Uniaxial overstress in GPa per equivalent plastic strain rate.
        tangent : bool
            Whether to compute the consistent tangent.
        out : BatchResult or None
            Arrays to write to, of the right shape; its state must not be the state passed in.
        nonlocal_input : NonlocalInput or None
            The nonlocal field; None for the local law.

        Returns
        -------
        BatchResult
            Stress, tangent, state and status; `out` if it was given.

        Raises
        ------
        ValueError
            If a shape does not fit or the time increment is not positive.
        """
        n = len(deformation_gradient)
        self._check(deformation_gradient, state, time_increment_s, viscosity_gpa_s)
        if nonlocal_input is not None and len(nonlocal_input.field) != n:
            raise ValueError(f"the nonlocal field has {len(nonlocal_input.field)} values, not {n}")
        result = self._result_arrays(n, tangent) if out is None else out
        self._check_out(result, state, n, tangent)
        kernel = _compiled(self.law_name, self.kinematics, tangent)
        size = self.chunk_size
        parameters = np.array(parameter_vector, dtype=float)
        own = np.empty((size, parameters.shape[1])) if parameters.ndim == 2 else None
        step, viscosity = float(time_increment_s), float(viscosity_gpa_s)
        # JAX may use the memory of an array it is given. The chunks therefore go through buffers
        # that nobody else writes to, and every result is read before a buffer is filled again.
        gradient_buffer = np.empty((size, 9))
        state_buffer = np.empty((size, self.number_of_state_variables))
        field_buffer = np.zeros(size)
        coupled = np.empty((n, 20)) if nonlocal_input is not None and tangent else None
        for start in range(0, n, size):
            stop = min(start + size, n)
            count = stop - start
            gradient_buffer[:count] = deformation_gradient[start:stop]
            state_buffer[:count] = state[start:stop]
            if count < size:
                gradient_buffer[count:] = np.eye(3).reshape(9)
                state_buffer[count:] = self.initial_state(size - count)
            if own is not None:
                own[:count] = parameters[start:stop]
                own[count:] = parameters[start]
            constants = jnp.asarray(parameters) if own is None else own
            arguments = (gradient_buffer, state_buffer, constants, step, viscosity)
            if nonlocal_input is None:
                points = kernel(*arguments)
            else:
                field_buffer[:count] = nonlocal_input.field[start:stop]
                field_buffer[count:] = 0.0
                points = kernel(*arguments, field_buffer, nonlocal_input.constants)
            stress = np.asarray(points.first_piola_kirchhoff_stress)
            result.first_piola_kirchhoff_stress[start:stop] = stress[:count]
            result.state[start:stop] = np.asarray(points.state)[:count]
            result.status[start:stop] = np.asarray(points.status)[:count]
            if tangent and result.consistent_tangent is not None:
                matrix = np.asarray(points.consistent_tangent)
                result.consistent_tangent[start:stop] = matrix[:count]
            if coupled is not None and points.coupling is not None:
                _fill(coupled[start:stop], points.coupling, count)
        if coupled is not None:
            return replace(result, coupling=NonlocalCoupling(coupled))
        return result

    def _result_arrays(self, n: int, tangent: bool) -> BatchResult:
        return BatchResult(
            np.empty((n, 9)),
            np.empty((n, 81)) if tangent else None,
            np.empty((n, self.number_of_state_variables)),
            np.empty(n, dtype=np.int32),
        )

    def _check(
        self,
        deformation_gradient: FloatArray,
        state: FloatArray,
        time_increment_s: float,
        viscosity_gpa_s: float,
    ) -> None:
        n = len(deformation_gradient)
        expected = ((n, 9), (n, self.number_of_state_variables))
        if (deformation_gradient.shape, state.shape) != expected:
            raise ValueError(
                f"deformation gradient and state have shapes {deformation_gradient.shape} and "
                f"{state.shape}; law {self.law_name} needs {expected[0]} and {expected[1]}"
            )
        if not (time_increment_s > 0.0 and np.isfinite(time_increment_s)):
            raise ValueError(f"the time increment must be positive, not {time_increment_s}")
        if not (viscosity_gpa_s >= 0.0 and np.isfinite(viscosity_gpa_s)):
            raise ValueError(f"the viscosity must not be negative, it is {viscosity_gpa_s}")

    def _check_out(self, out: BatchResult, state: FloatArray, n: int, tangent: bool) -> None:
        shapes = (out.first_piola_kirchhoff_stress.shape, out.state.shape, out.status.shape)
        fits = shapes == ((n, 9), (n, self.number_of_state_variables), (n,))
        if tangent:
            fits = fits and getattr(out.consistent_tangent, "shape", None) == (n, 81)
        if not fits or (n > 0 and np.may_share_memory(out.state, state)):
            raise ValueError(
                "the arrays of `out` do not fit the points, or its state is the state passed in"
            )


def _fill(rows: FloatArray, coupling: FieldCoupling, count: int) -> None:
    """Copy the first points of a chunk into rows of `NonlocalCoupling.values`."""
    rows[:, 0] = np.asarray(coupling.source)[:count]
    rows[:, 1] = np.asarray(coupling.source_by_field)[:count]
    rows[:, 2:11] = np.asarray(coupling.stress_by_field)[:count]
    rows[:, 11:] = np.asarray(coupling.source_by_gradient)[:count]
