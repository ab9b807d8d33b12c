"""A compiled catalogue as plain data, closures included, so that two of them can be compared."""
from __future__ import annotations

import dataclasses
import re
import types
from typing import Any, Mapping

_SCALARS = (str, int, float, bool, type(None), type)


def said(value: Any) -> Any:
    """Everything a value holds, whatever it is: types too. A function is its code and what it closes over."""
    if isinstance(value, _SCALARS):
        return type(value).__name__, value
    if isinstance(value, Mapping):
        return [(said(key), said(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(said, value)]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, map(said, value)))
    if isinstance(value, re.Pattern):
        return value.pattern, value.flags
    if isinstance(value, types.FunctionType):
        cells = [said(cell.cell_contents) for cell in value.__closure__ or ()]
        return value.__qualname__, value.__code__.co_firstlineno, cells, said(value.__defaults__), said(value.__kwdefaults__)
    if dataclasses.is_dataclass(value):
        return type(value).__name__, [(each.name, said(getattr(value, each.name))) for each in dataclasses.fields(value)]
    if hasattr(value, "__dict__"):
        return type(value).__name__, [(name, said(item)) for name, item in vars(value).items() if name != "_answers"]
    return type(value).__name__, repr(value)
