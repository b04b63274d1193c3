"""JAX as ngcfem uses it: double precision, one thread, compiled code kept between runs.

Every module that needs JAX imports it from here, so that the settings are made before JAX starts.
"""

import hashlib
import os
import platform
from pathlib import Path


def _use_one_thread() -> None:
    """Keep XLA to the core of this process; ranks of a parallel run have one core each."""
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        one_thread = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ["XLA_FLAGS"] = f"{flags} {one_thread}".strip()
    os.environ.setdefault("PJRT_NPROC", "1")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")


_use_one_thread()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

__all__ = ["compilation_cache_directory", "jax", "jnp", "keep_compiled_code", "lax"]

jax.config.update("jax_enable_x64", True)


def compilation_cache_directory() -> Path:
    """Directory of the compiled kernels of this kind of processor.

    Returns
    -------
    pathlib.Path
        ``$XDG_CACHE_HOME/ngcfem/xla/<processor>`` or the same under ``~/.cache``.

    Notes
    -----
    Compiled code uses the instructions of the processor it was made on. A home directory can be
    shared between machines, therefore the processor's feature list is part of the name.
    """
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    features = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    wanted = ("model name", "flags", "Features", "CPU part")
    features += "".join(sorted({line for line in lines if line.startswith(wanted)}))
    digest = hashlib.sha256(features.encode()).hexdigest()[:12]
    return Path(root) / "ngcfem" / "xla" / f"{platform.machine()}-{digest}"


def keep_compiled_code() -> bool:
    """Keep compiled kernels on disk, unless the user has set a directory or it cannot be written.

    Returns
    -------
    bool
        Whether compiled code is kept.
    """
    if jax.config.jax_compilation_cache_dir:
        return True
    directory = compilation_cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    if not os.access(directory, os.W_OK | os.X_OK):
        return False
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return True
