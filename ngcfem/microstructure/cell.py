"""The periodic cell as geometry: grains, interface network, crystals and layers, without a mesh.

A cell of two dimensions is the section z = const of a body in plane strain: what is a volume below
is an area times a thickness of 1 nm, a ball is a disc, and a cap a piece of a ring.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ngcfem.quantities import NANOCRYSTAL, FloatArray

CellKind = Literal["nanocomposite", "nanoglass", "glass", "sphere", "laminate", "homogeneous"]
CELL_KINDS: tuple[str, ...] = (
    "nanocomposite",
    "nanoglass",
    "glass",
    "sphere",
    "laminate",
    "homogeneous",
)
MATRIX = "matrix"
INCLUSION = "inclusion"
CELL_SCHEMA_VERSION = 2
READABLE_CELL_SCHEMAS = (1, 2)
Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Cap:
    """A spherical cap of even thickness that sits on a sphere; in the plane a piece of a ring.

    Parameters
    ----------
    axis : tuple of float
        Unit vector from the centre of the sphere to the pole of the cap; on a stretched crystal,
        before the stretch.
    half_angle_deg : float
        Polar angle of the rim in degrees.
    thickness_nm : float
        Radial thickness in nm.
    """

    axis: tuple[float, ...]
    half_angle_deg: float
    thickness_nm: float


@dataclass(frozen=True)
class Flat:
    """A plane that cuts a crystal off where it touches the interface network.

    Parameters
    ----------
    normal : tuple of float
        Unit normal, out of the crystal and of its grain.
    distance_nm : float
        Distance of the plane from the centre of the crystal; not negative.

    Notes
    -----
    The plane is one of the faces of the grain: a facet of its Laguerre cell, moved in by half the
    thickness of the network.
    """

    normal: tuple[float, float, float]
    distance_nm: float


@dataclass(frozen=True)
class Inclusion:
    """A sphere, ellipsoid or (in the plane) disc, with or without a cap of another phase on it.

    Parameters
    ----------
    centre_nm : tuple of float
        Centre in nm, next to the site of its grain (not wrapped into the cell).
    radius_nm : float
        Radius in nm; of an ellipsoid, that of the sphere of its volume.
    grain : int
        Number of the grain that holds it; -1 where there are no grains.
    cap : Cap or None
        Adjacent region of the Sc-rich phase.
    stretch : tuple of tuple of float, or None
        Rows of a symmetric positive definite matrix of determinant 1: the body is the centre plus
        the image of the ball, and its cap the image of the cap of the ball. None is a sphere.
    flat : Flat or None
        Plane that cuts the crystal off at the network. It does not meet the cap.
    orientation : tuple of four float, or None
        Unit quaternion (w, x, y, z) from lattice to specimen coordinates; a rotation of the cell
        does not turn it. None where no lattice was asked for.
    """

    centre_nm: tuple[float, ...]
    radius_nm: float
    grain: int = -1
    cap: Cap | None = None
    stretch: Rows | None = None
    flat: Flat | None = None
    orientation: tuple[float, float, float, float] | None = None

    @property
    def dimension(self) -> int:
        """Space dimension: 3, or 2 for a disc."""
        return len(self.centre_nm)

    @property
    def stretch_matrix(self) -> FloatArray:
        """Matrix that makes the ellipsoid out of the ball, shape (3, 3); the identity of a ball."""
        return np.eye(3) if self.stretch is None else np.array(self.stretch, dtype=float)

    @property
    def cut_volume_nm3(self) -> float:
        """Volume in nm^3 that the flat takes off the whole ellipsoid, 0 without one.

        Notes
        -----
        The stretch S takes the plane n . x = d back to m . y = d / |S n| with m = S n / |S n|, and
        keeps volumes: what is cut off the ball is a segment of height h = r - d / |S n|, of volume
        pi h^2 (3 r - h) / 3.
        """
        if self.flat is None:
            return 0.0
        slope = float(np.linalg.norm(self.stretch_matrix @ np.array(self.flat.normal)))
        height = max(0.0, self.radius_nm - self.flat.distance_nm / slope)
        return float(np.pi * height**2 * (3.0 * self.radius_nm - height) / 3.0)

    @property
    def volume_nm3(self) -> float:
        """Volume of the crystal in nm^3, without what a flat cuts off."""
        if self.dimension == 2:
            return np.pi * self.radius_nm**2
        return 4.0 / 3.0 * np.pi * self.radius_nm**3 - self.cut_volume_nm3

    @property
    def equivalent_radius_nm(self) -> float:
        """Radius in nm of the sphere of the volume of the crystal."""
        if self.flat is None:
            return self.radius_nm
        return float((3.0 * self.volume_nm3 / (4.0 * np.pi)) ** (1.0 / 3.0))

    @property
    def cap_volume_nm3(self) -> float:
        """Volume of the cap in nm^3, 0 without one; a stretch of determinant 1 keeps it."""
        if self.cap is None:
            return 0.0
        outer = self.radius_nm + self.cap.thickness_nm
        if self.dimension == 2:
            return float(np.radians(self.cap.half_angle_deg) * (outer**2 - self.radius_nm**2))
        solid_angle = 2.0 * np.pi * (1.0 - np.cos(np.radians(self.cap.half_angle_deg)))
        return float(solid_angle / 3.0 * (outer**3 - self.radius_nm**3))


@dataclass(frozen=True)
class Layer:
    """One layer of a laminate.

    Parameters
    ----------
    phase : str
        Name of the phase.
    fraction : float
        Share of the cell volume.
    """

    phase: str
    fraction: float


@dataclass(frozen=True, eq=False)
class PeriodicCell:
    """The geometry of one period.

    Parameters
    ----------
    kind : str
        One of ``CELL_KINDS``.
    lattice : ndarray, shape (3, 3), in the plane (2, 2)
        Period vectors as rows, in nm.
    phase_names : tuple of str
        Names of the phases that occur.
    sites : ndarray, shape (n, 3), in the plane (n, 2)
        Laguerre sites of the grains in nm; no rows without grains.
    weights : ndarray, shape (n,)
        Laguerre weights in nm^2.
    interface_thickness_nm : float
        Thickness of the network between the grains; every grain is its Laguerre cell moved in by
        half of it.
    inclusions : tuple of Inclusion
        Crystals, or the sphere of the kind ``sphere``.
    layers : tuple of Layer
        Layers from the origin along ``layer_axis``.
    layer_axis : int
        Index of the axis normal to the layers.
    seed : int or None
        Seed that made the cell; None for the kinds without chance.
    rotation : ndarray, shape (3, 3), in the plane (2, 2)
        Turn of the whole cell: everything above is given in the frame of the cell, and the
        finished mesh, its lattice and all pictures show x_lab = rotation @ x.
    """

    kind: str
    lattice: FloatArray
    phase_names: tuple[str, ...]
    sites: FloatArray
    weights: FloatArray
    interface_thickness_nm: float = 0.0
    inclusions: tuple[Inclusion, ...] = ()
    layers: tuple[Layer, ...] = ()
    layer_axis: int = 0
    seed: int | None = None
    rotation: FloatArray = field(default_factory=lambda: np.eye(3))

    @property
    def dimension(self) -> int:
        """Space dimension: 3, or 2 for plane strain."""
        return len(self.lattice)

    @property
    def number_of_grains(self) -> int:
        """Number of grains, 0 without grains."""
        return len(self.sites)

    @property
    def volume_nm3(self) -> float:
        """Volume of the cell in nm^3; in the plane its area times a thickness of 1 nm."""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def crystal_phase(self) -> str | None:
        """Phase of the inclusions; None without inclusions."""
        if not self.inclusions:
            return None
        return NANOCRYSTAL if NANOCRYSTAL in self.phase_names else self.phase_names[-1]

    def with_orientations(self, quaternions: FloatArray | None) -> "PeriodicCell":
        """The same cell with the lattices of its inclusions.

        Parameters
        ----------
        quaternions : ndarray, shape (inclusions, 4), or None
            Unit quaternions from lattice to specimen coordinates; None takes them away.

        Returns
        -------
        PeriodicCell
            A copy.
        """
        rows = [None] * len(self.inclusions) if quaternions is None else quaternions.tolist()
        inclusions = tuple(
            replace(inclusion, orientation=None if row is None else tuple(row))
            for inclusion, row in zip(self.inclusions, rows, strict=True)
        )
        return replace(self, inclusions=inclusions)

    def to_json(self) -> str:
        """Write the cell as JSON text from which ``cell_from_json`` rebuilds it exactly.

        Returns
        -------
        str
            JSON text.
        """
        document = {
            "schema_version": CELL_SCHEMA_VERSION,
            "kind": self.kind,
            "lattice_nm": self.lattice.tolist(),
            "phase_names": list(self.phase_names),
            "sites_nm": self.sites.tolist(),
            "weights_nm2": self.weights.tolist(),
            "interface_thickness_nm": self.interface_thickness_nm,
            "inclusions": [_inclusion_document(inclusion) for inclusion in self.inclusions],
            "layers": [asdict(layer) for layer in self.layers],
            "layer_axis": self.layer_axis,
            "seed": self.seed,
            "rotation": self.rotation.tolist(),
        }
        return json.dumps(document, indent=1)


def _inclusion_document(inclusion: Inclusion) -> dict[str, Any]:
    document = asdict(inclusion)
    if inclusion.orientation is None:
        del document["orientation"]
    return document


def _inclusion(document: Mapping[str, Any]) -> Inclusion:
    cap, stretch, flat = document["cap"], document.get("stretch"), document.get("flat")
    orientation = document.get("orientation")
    return Inclusion(
        centre_nm=tuple(document["centre_nm"]),
        radius_nm=document["radius_nm"],
        grain=document["grain"],
        cap=None if cap is None else Cap(**{**cap, "axis": tuple(cap["axis"])}),
        stretch=None if stretch is None else tuple(tuple(row) for row in stretch),
        flat=None if flat is None else Flat(**{**flat, "normal": tuple(flat["normal"])}),
        orientation=None if orientation is None else tuple(orientation),
    )


def cell_from_json(text: str) -> PeriodicCell:
    """Rebuild a cell from the text that ``PeriodicCell.to_json`` wrote.

    Parameters
    ----------
    text : str
        JSON text.

    Returns
    -------
    PeriodicCell
        The same cell, bit for bit.

    Raises
    ------
    ValueError
        If the text was written by a schema version that this program does not know.

    Notes
    -----
    Version 1 knew neither stretched nor flat crystals nor a rotation; it reads as having none.
    """
    document = json.loads(text)
    if document.get("schema_version") not in READABLE_CELL_SCHEMAS:
        readable = " and ".join(str(version) for version in READABLE_CELL_SCHEMAS)
        raise ValueError(
            f"cell file of schema version {document.get('schema_version')}: "
            f"this program reads versions {readable}"
        )
    lattice = np.array(document["lattice_nm"], dtype=float)
    return PeriodicCell(
        kind=document["kind"],
        lattice=lattice,
        phase_names=tuple(document["phase_names"]),
        sites=np.array(document["sites_nm"], dtype=float).reshape(-1, len(lattice)),
        weights=np.array(document["weights_nm2"], dtype=float),
        interface_thickness_nm=document["interface_thickness_nm"],
        inclusions=tuple(_inclusion(entry) for entry in document["inclusions"]),
        layers=tuple(Layer(**entry) for entry in document["layers"]),
        layer_axis=document["layer_axis"],
        seed=document["seed"],
        rotation=np.array(document.get("rotation", np.eye(len(lattice))), dtype=float),
    )


def box_lattice(cell_nm: float | Sequence[float], dimension: int = 3) -> FloatArray:
    """Period vectors of a box or, in the plane, of a rectangle.

    Parameters
    ----------
    cell_nm : float or sequence of float
        Edge of a cube or square, or all edges, in nm.
    dimension : int
        2 or 3.

    Returns
    -------
    ndarray, shape (dimension, dimension)
        Period vectors as rows.

    Raises
    ------
    ValueError
        If an edge is not a positive number, or their number is neither 1 nor the dimension.
    """
    edges = np.atleast_1d(np.asarray(cell_nm, dtype=float))
    sound = edges.shape in ((1,), (dimension,)) and np.all(np.isfinite(edges))
    if not sound or np.any(edges <= 0.0):
        number = "three" if dimension == 3 else "two"
        raise ValueError(f"cell_nm must be one or {number} positive lengths, not {cell_nm}")
    return np.diag(np.broadcast_to(edges, (dimension,)).astype(float))
