"""Imports the SDK without its checks of the arguments of calls, which are half of the time that the import takes."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

Decorated = Any


def import_sdk() -> ModuleType:
    """Return the module `dagger`, imported where it has not been.

    Where nobody has imported it before, beartype decorates none of its 1,500 methods: a wrong argument is then an error
    of the engine's instead of a TypeError. What others decorate with beartype is checked as ever.
    """
    if "dagger" in sys.modules:
        return sys.modules["dagger"]
    try:
        beartype: Any = importlib.import_module("beartype")
    except ImportError:
        return importlib.import_module("dagger")
    decorate = beartype.beartype
    beartype.beartype = _leave
    try:
        return importlib.import_module("dagger")
    finally:
        beartype.beartype = decorate


def _leave(decorated: Decorated = None, *, conf: object = None) -> Decorated:
    """Decorate nothing, in both forms of the decorator: `@beartype` and `@beartype(conf=...)`."""
    del conf
    return _leave if decorated is None else decorated
