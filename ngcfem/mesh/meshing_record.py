"""How a generated mesh came about: the route that made it, and what failed before."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ngcfem.mesh.periodic_mesh import PeriodicMesh

MeshProgress = Callable[[int, int, str], None]
"""Called with how much is done, of how much, and what it is. A call with 0 done announces a route;
its text then says which, and why the one before was given up."""


@dataclass(frozen=True)
class GrainRecord:
    """What the filling of one grain took.

    Parameters
    ----------
    grain : int
        Number of the grain.
    attempts : int
        Ways that were tried.
    minimum_dihedral_angle_deg, minimum_gamma : float
        Of its worst tetrahedra before it was joined to its neighbours.
    reasons : tuple of str
        Why ways failed or were not good enough.
    """

    grain: int
    attempts: int
    minimum_dihedral_angle_deg: float
    minimum_gamma: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class MeshingRecord:
    """The route by which a mesh was made.

    Parameters
    ----------
    route : str
        Name of the route.
    given_up : tuple of str
        One text for every route tried before: its name and why it was given up.
    retried_grains : tuple of GrainRecord
        Grains that took more than one attempt.
    """

    route: str
    given_up: tuple[str, ...] = ()
    retried_grains: tuple[GrainRecord, ...] = ()

    def to_document(self) -> dict[str, Any]:
        """Give the record as plain JSON.

        Returns
        -------
        dict
            The fields.
        """
        return asdict(self)


def record_from_document(document: Mapping[str, Any]) -> MeshingRecord:
    """Rebuild a record from what ``MeshingRecord.to_document`` gave.

    Parameters
    ----------
    document : mapping
        Plain JSON.

    Returns
    -------
    MeshingRecord
        The same record.
    """
    return MeshingRecord(
        route=document["route"],
        given_up=tuple(document["given_up"]),
        retried_grains=tuple(
            GrainRecord(**{**entry, "reasons": tuple(entry["reasons"])})
            for entry in document["retried_grains"]
        ),
    )


@dataclass(frozen=True, eq=False)
class GeneratedMesh:
    """A generated mesh and how it came about.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    record : MeshingRecord
        How it was made.
    """

    mesh: PeriodicMesh
    record: MeshingRecord
