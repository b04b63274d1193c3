"""Pictures of surfaces of an atom probe specimen, drawn in the process of rendering."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.report.scene import EDGE_COLOUR, Frame, box_middle, tell_drawn, triangle_mesh

_BOTTOM_SHARE = 0.06


def draw_surface_pictures(pyvista: Any, request: Mapping[str, Any]) -> None:
    """Draw all surfaces together, and each of them alone.

    Parameters
    ----------
    pyvista : module
        The library.
    request : mapping
        ``surfaces``: an .npz file with ``vertices_k`` and ``triangles_k`` of each surface k;
        ``colours`` and ``opacities`` in the same order, and the ``directory`` of the pictures.

    Notes
    -----
    Surfaces of an opacity below 1 are the glass around the others: they are in every picture.
    """
    with np.load(request["surfaces"]) as stored:
        meshes = [
            triangle_mesh(pyvista, stored[f"vertices_{k}"], stored[f"triangles_{k}"])
            for k in range(len(request["colours"]))
        ]
    points = np.concatenate([np.asarray(mesh.points, dtype=np.float64) for mesh in meshes])
    solid = [k for k, opacity in enumerate(request["opacities"]) if opacity == 1.0]
    wanted = {"surfaces": solid}
    if len(solid) > 1:
        wanted |= {f"surface_{k}": [k] for k in solid}
    ends = np.stack([points.min(axis=0), points.max(axis=0)], axis=1)
    box = pyvista.Box(ends.ravel())
    frame = Frame.around([np.asarray(box.points, dtype=np.float64)], _BOTTOM_SHARE)
    for name, shown in wanted.items():
        plotter = pyvista.Plotter(off_screen=True, window_size=frame.size_px)
        plotter.add_mesh(box, style="wireframe", color=EDGE_COLOUR, line_width=1.0, opacity=0.5)
        for k, mesh in enumerate(meshes):
            if k in solid and k not in shown:
                continue
            plotter.add_mesh(
                mesh,
                color=request["colours"][k],
                opacity=request["opacities"][k],
                smooth_shading=True,
                ambient=0.35,
                diffuse=0.65,
            )
        frame.shoot(plotter, box_middle(points), Path(request["directory"]) / f"{name}.png")
        tell_drawn(name)
