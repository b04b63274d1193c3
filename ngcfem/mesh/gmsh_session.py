"""Gmsh as a guest: a private model, fixed options, and everything put back afterwards."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import gmsh

FIXED_OPTIONS: dict[str, float] = {
    "General.Terminal": 0,
    "General.Verbosity": 2,
    "General.NumThreads": 1,
    "General.AbortOnError": 2,
    "Mesh.Algorithm": 6,
    "Mesh.Algorithm3D": 1,
    "Mesh.ElementOrder": 1,
    "Mesh.MaxNumThreads1D": 1,
    "Mesh.MaxNumThreads2D": 1,
    "Mesh.MaxNumThreads3D": 1,
    "Mesh.MeshSizeExtendFromBoundary": 1,
    "Mesh.MeshSizeFactor": 1,
    "Mesh.MeshSizeFromCurvature": 0,
    "Mesh.MeshSizeFromParametricPoints": 0,
    "Mesh.MeshSizeFromPoints": 1,
    "Mesh.MeshSizeMin": 0,
    "Mesh.MeshSizeMax": 1e22,
    "Mesh.Optimize": 1,
    "Mesh.OptimizeNetgen": 0,
    "Mesh.OptimizeThreshold": 0.3,
    "Mesh.RandomFactor": 1e-9,
    "Mesh.RandomFactor3D": 1e-12,
    "Mesh.RandomSeed": 1,
    "Mesh.RecombineAll": 0,
    "Mesh.Renumber": 1,
    "Mesh.SaveAll": 0,
    "Mesh.SaveParametric": 0,
    "Mesh.Binary": 0,
    "Mesh.MshFileVersion": 4.1,
    "Mesh.ScalingFactor": 1,
    "Mesh.SecondOrderLinear": 0,
    "Mesh.SubdivisionAlgorithm": 0,
    "Mesh.PartitionSplitMeshFiles": 0,
}
"""Every option that could change a mesh or a file: no configuration file of the user does."""


def _ignore_broken_pipes_again() -> None:
    """Put SIGPIPE back: Gmsh makes it deadly, and a child that dies would take this process along.

    Python ignores the signal and raises BrokenPipeError instead; what it has on record is still
    that. Outside the main thread signals cannot be set.
    """
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGPIPE)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN if handler is None else handler)


@contextmanager
def gmsh_session(
    name: str = "ngcfem", options: Mapping[str, float] | None = None
) -> Iterator[None]:
    """Open a private Gmsh model with fixed options and no output on the terminal.

    Parameters
    ----------
    name : str
        Name of the model.
    options : mapping of str to float, optional
        Options that differ from ``FIXED_OPTIONS``.

    Yields
    ------
    None
        While the private model is the current one.

    Notes
    -----
    Another library may hold Gmsh open: it is then neither initialized again nor finalized, its
    current model becomes current again, and the options are put back. Sessions nest.
    """
    owner = not gmsh.isInitialized()
    if owner:
        gmsh.initialize(argv=[], readConfigFiles=False, run=False, interruptible=False)
        _ignore_broken_pipes_again()
    wanted = {**FIXED_OPTIONS, **(options or {})}
    before = {key: gmsh.option.getNumber(key) for key in wanted}
    previous = None if owner else gmsh.model.getCurrent()
    try:
        for key, value in wanted.items():
            gmsh.option.setNumber(key, value)
        gmsh.model.add(name)
        try:
            yield
        finally:
            gmsh.model.remove()
    finally:
        for key, value in before.items():
            gmsh.option.setNumber(key, value)
        if owner:
            gmsh.finalize()
        elif previous is not None and previous in gmsh.model.list():
            gmsh.model.setCurrent(previous)
