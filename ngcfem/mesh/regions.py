"""What the isosurface stuffing has to know of a periodic body: regions by level functions."""

from typing import Protocol, Self

from ngcfem.quantities import BoolArray, FloatArray, Int32Array, IntArray


class Regions(Protocol):
    """A periodic cell divided into regions, each with a level function.

    Every point belongs to the region whose level is the highest; two regions meet where their
    levels are equal.
    """

    @property
    def lattice(self) -> FloatArray:
        """Period vectors as rows in nm, shape (3, 3)."""
        ...

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Names of the phases."""
        ...

    @property
    def phase(self) -> Int32Array:
        """Index into the phase names of each region, shape (n,)."""
        ...

    @property
    def target_volumes_nm3(self) -> FloatArray:
        """Volume of each region in nm^3, shape (n,)."""
        ...

    @property
    def growth_areas(self) -> FloatArray:
        """Volume that a unit of growth adds to each region, shape (n,); 0 where it cannot grow."""
        ...

    @property
    def connected(self) -> BoolArray:
        """Regions that must not be pinched off where they are thin, shape (n,)."""
        ...

    def regions_at(self, points: FloatArray) -> IntArray:
        """Region of each point.

        Parameters
        ----------
        points : ndarray, shape (m, 3)
            Positions in nm, counted modulo the lattice.

        Returns
        -------
        ndarray of int, shape (m,)
            Numbers of regions.
        """
        ...

    def levels(self, regions: IntArray, points: FloatArray) -> FloatArray:
        """Level of one region at each point.

        Parameters
        ----------
        regions : ndarray of int, shape (m,)
            Number of the region that is asked for at each point.
        points : ndarray, shape (m, 3)
            Positions in nm, counted modulo the lattice.

        Returns
        -------
        ndarray, shape (m,)
            Levels.
        """
        ...

    def grains_at(self, regions: IntArray, points: FloatArray) -> Int32Array:
        """Grain number that a cell of a region carries.

        Parameters
        ----------
        regions : ndarray of int, shape (m,)
            Number of the region of each cell.
        points : ndarray, shape (m, 3)
            Middle of each cell in nm.

        Returns
        -------
        ndarray of int32, shape (m,)
            Grain numbers, -1 where there is none.
        """
        ...

    def grown(self, growth: FloatArray) -> Self:
        """Regions that are larger or smaller, to make up for what a mesh cuts off.

        Parameters
        ----------
        growth : ndarray, shape (n,)
            What is added to the level of each region, counted from the geometry itself.

        Returns
        -------
        Regions
            The same division with moved surfaces.
        """
        ...
