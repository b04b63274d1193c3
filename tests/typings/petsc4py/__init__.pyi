# The stubs of petsc4py refuse calls that it accepts: integer enumerations, MPI communicators.
from typing import Any

def __getattr__(name: str) -> Any: ...
