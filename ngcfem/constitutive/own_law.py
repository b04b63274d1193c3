"""Base class of a law that a user writes in a file of its own."""

from abc import abstractmethod
from collections import namedtuple
from collections.abc import Mapping
from typing import Any, ClassVar

from ngcfem.constitutive.law import Law, Step
from ngcfem.constitutive.nonlocal_parameters import NONLOCAL_NAMES
from ngcfem.constitutive.parameter_specification import ParameterFinding, ParameterSpec
from ngcfem.constitutive.xla import jax, jnp


class OwnLaw(Law):
    """A law with its parameters, in one class.

    A derived class states what `Law` asks for and the tuple `parameters`; it implements `update`
    and `softens`. The parameters reach `update` by their names.

    Notes
    -----
    A parameter of an internal length (`ngcfem.constitutive.nonlocal_parameters.OVERNONLOCAL`) is
    for the solver and does not reach `update`; a law that takes it names its `nonlocal_variable`
    and softens with `ngcfem.constitutive.nonlocal_softening`.
    """

    parameters: ClassVar[tuple[ParameterSpec, ...]]

    @abstractmethod
    def softens(self, values: Mapping[str, float]) -> bool:
        """Whether the strength falls anywhere with plastic strain.

        Parameters
        ----------
        values : mapping of str to float
            Every parameter.

        Returns
        -------
        bool
            True makes a case refuse the law unless it has an internal length or accepts that the
            result depends on the mesh.
        """

    def conditions(self, values: Mapping[str, float]) -> list[ParameterFinding]:
        """Find what is wrong with parameters that are sound one by one.

        Parameters
        ----------
        values : mapping of str to float
            Every parameter.

        Returns
        -------
        list of tuple of str
            (name, found, allowed, remedy) of each problem; by default none.
        """
        return []

    def unpack(self, parameter_vector: jax.Array) -> Any:
        """Name the entries of a parameter vector; see `Law.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (number of parameters,)
            Values in the order of `parameters`, without those of the internal length.

        Returns
        -------
        NamedTuple
            The same by name.
        """
        names = [spec.name for spec in self.parameters if spec.name not in NONLOCAL_NAMES]
        return namedtuple("Parameters", names)(*parameter_vector)

    def problems(self) -> list[str]:
        """Look for mistakes that show without any numbers.

        Returns
        -------
        list of str
            What is wrong, in words; empty if the update can be traced and gives what it should.
        """
        missing = [
            name
            for name in ("name", "internal_variables", "has_plastic_strain")
            if not hasattr(self, name)
        ]
        if missing:
            return [f"it does not state {', '.join(missing)}"]
        number = len([spec for spec in self.parameters if spec.name not in NONLOCAL_NAMES])
        scalar = jax.ShapeDtypeStruct((), jnp.float64)

        def trace(vector: jax.Array, value: jax.Array) -> Any:
            strain = (value, value, value)
            variables = tuple(value for _ in self.internal_variables)
            return self.update(strain, variables, self.unpack(vector), Step(value, value))

        shapes = jax.eval_shape(trace, jax.ShapeDtypeStruct((number,), jnp.float64), scalar)
        wrong = []
        for field, count in (
            ("kirchhoff_stress", 3),
            ("elastic_strain", 3),
            ("internal_variables", len(self.internal_variables)),
        ):
            entries = getattr(shapes, field)
            if len(entries) != count or any(entry.shape != () for entry in entries):
                wrong.append(f"its update returns {field} that is not {count} numbers")
        return wrong
