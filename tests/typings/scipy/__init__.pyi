# scipy has no annotations; what is inferred from its source are unions that no run returns.
from typing import Any

def __getattr__(name: str) -> Any: ...
