# DOLFINx annotates unions over scalar types and nested forms; which one it is, only a run tells.
from typing import Any

def __getattr__(name: str) -> Any: ...
