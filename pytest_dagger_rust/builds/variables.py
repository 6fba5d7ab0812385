"""Environment variables that do not change, and that can be copied, pickled and written as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping


class Variables(dict[str, str]):
    """A dictionary that refuses to be changed.

    A MappingProxyType could not be pickled, nor copied by `dataclasses.asdict`.
    """

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        msg = "these environment variables cannot be changed: make new options with the ones you want"
        raise TypeError(msg)

    __setitem__ = __delitem__ = __ior__ = _refuse  # pyright: ignore[reportAssignmentType]
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]

    def __reduce__(self) -> tuple[type[Variables], tuple[Mapping[str, str]]]:
        # Without it, copies would be filled item by item.
        return Variables, (dict(self),)
