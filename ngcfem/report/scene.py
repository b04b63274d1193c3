"""Camera, frame and colours of the pictures that VTK draws."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.quantities import FloatArray

WIDTH_PX = 1200
TOWARDS_CAMERA = np.array([1.0, 0.72, 0.62]) / np.linalg.norm([1.0, 0.72, 0.62])
EDGE_COLOUR = "#30363d"
# Shares of the height of a picture that are kept free: above, and below for the scale of colours.
_TOP_SHARE, _BOTTOM_SHARE = 0.03, 0.18


@dataclass(frozen=True)
class Frame:
    """Scale and size that all pictures of one set share, so that the eye can compare them.

    Parameters
    ----------
    width_nm, height_nm : float
        Extent of the picture.
    bottom_share : float
        Share of the height that is kept free below.
    plane : bool
        Whether the camera looks along z at a plane body, not aslant.
    """

    width_nm: float
    height_nm: float
    bottom_share: float = _BOTTOM_SHARE
    plane: bool = False

    @classmethod
    def around(
        cls,
        clouds: Sequence[FloatArray],
        bottom_share: float = _BOTTOM_SHARE,
        plane: bool = False,
    ) -> "Frame":
        """Take the smallest frame that holds each of the bodies about its middle.

        Parameters
        ----------
        clouds : sequence of ndarray, shape (n, 3)
            Points of each body in nm.
        bottom_share : float
            Share of the height that is kept free below.
        plane : bool
            Whether the camera looks along z.

        Returns
        -------
        Frame
            The frame.
        """
        right, above, _ = _screen_axes(plane)
        half = np.zeros(2)
        for points in clouds:
            offsets = points - box_middle(points)
            for n, axis in enumerate((right, above)):
                half[n] = max(half[n], float(np.abs(offsets @ axis).max()))
        height = 2.0 * half[1] / (1.0 - _TOP_SHARE - bottom_share)
        return cls(2.06 * half[0], height, bottom_share, plane)

    @property
    def size_px(self) -> list[int]:
        """Width and height of the picture."""
        return [WIDTH_PX, round(WIDTH_PX * self.height_nm / self.width_nm)]

    def shoot(self, plotter: Any, middle: FloatArray, path: Path) -> None:
        """Point the camera at a body and write the picture.

        Parameters
        ----------
        plotter : pyvista.Plotter
            The scene; it is closed.
        middle : ndarray, shape (3,)
            Middle of the body in nm.
        path : Path
            PNG file.
        """
        plotter.set_background("white")
        plotter.enable_parallel_projection()
        # The body sits above the middle by half of what is kept free below more than above.
        _, above, towards = _screen_axes(self.plane)
        aim = middle - 0.5 * (self.bottom_share - _TOP_SHARE) * self.height_nm * above
        plotter.camera.focal_point = tuple(aim)
        plotter.camera.position = tuple(aim + 10.0 * self.width_nm * towards)
        plotter.camera.up = tuple(above)
        plotter.camera.parallel_scale = 0.5 * self.height_nm
        plotter.reset_camera_clipping_range()
        plotter.add_axes(color="black", line_width=3, viewport=(0.0, 0.0, 0.16, 0.16))
        plotter.enable_anti_aliasing("ssaa")
        plotter.screenshot(str(path))
        plotter.close()


def _screen_axes(plane: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit vectors to the right, upwards and towards the camera."""
    if plane:
        return np.eye(3)[0], np.eye(3)[1], np.eye(3)[2]
    right = np.cross([0.0, 0.0, 1.0], TOWARDS_CAMERA)
    right /= np.linalg.norm(right)
    return right, np.cross(TOWARDS_CAMERA, right), TOWARDS_CAMERA


def box_middle(points: FloatArray) -> FloatArray:
    """Middle of the box around points.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Points in nm.

    Returns
    -------
    ndarray, shape (3,)
        The middle.
    """
    return 0.5 * (points.min(axis=0) + points.max(axis=0))


def tell_drawn(name: str) -> None:
    """Tell the waiting process that a picture is finished, even if this one dies of the next.

    Parameters
    ----------
    name : str
        Name of the picture.
    """
    sys.stdout.write(f"drawn {name}\n")
    sys.stdout.flush()


def palette(pyvista: Any, colours: Sequence[str]) -> np.ndarray:
    """Turn colours into numbers.

    Parameters
    ----------
    pyvista : module
        The library.
    colours : sequence of str
        Hexadecimal colours.

    Returns
    -------
    ndarray of uint8, shape (n, 3)
        Red, green and blue.
    """
    return np.array([pyvista.Color(colour).int_rgb for colour in colours], dtype=np.uint8)


def triangle_mesh(pyvista: Any, points: FloatArray, triangles: np.ndarray) -> Any:
    """Make a surface that VTK draws.

    Parameters
    ----------
    pyvista : module
        The library.
    points : ndarray, shape (n, 3)
        Corners in nm.
    triangles : ndarray of int, shape (m, k)
        Triangles or quadrangles.

    Returns
    -------
    pyvista.PolyData
        The surface.
    """
    sizes = np.full((len(triangles), 1), triangles.shape[1])
    return pyvista.PolyData(points, np.hstack([sizes, triangles]).ravel())
