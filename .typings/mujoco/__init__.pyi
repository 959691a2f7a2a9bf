# The wheel ships no stubs for its compiled parts; everything in it is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
