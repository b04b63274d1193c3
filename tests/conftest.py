"""Settings that must stand in the environment before the first import of a numerical package."""

import os

# One thread a process: the tests start several ranks on few cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Off-screen pictures without an X server; an empty value would send VTK to X.
if not os.environ.get("VTK_DEFAULT_OPENGL_WINDOW"):
    os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"
