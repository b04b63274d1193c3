# basix annotates what it returns as ArrayLike, although it returns arrays.
from typing import Any

def __getattr__(name: str) -> Any: ...
