"""Says why the running interpreter cannot import a wheel."""

from __future__ import annotations

import sys
import sysconfig
from typing import TYPE_CHECKING

from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.tags import Tag

_IN_A_CONTAINER = "install the wheel in a container"


def complaint(name: str) -> str | None:
    """Return why the running interpreter cannot import a wheel of this file name, None if it can."""
    try:
        tags = parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return "is not the file name of a wheel."
    fitting = frozenset(sys_tags())
    if not tags.isdisjoint(fitting):
        return None
    if _platforms(tags).isdisjoint(_platforms(fitting)):
        there, here = "/".join(sorted(_platforms(tags))), sysconfig.get_platform()
        return f"is for {there}, and this machine is {here}: {_IN_A_CONTAINER} of that platform."
    return _of_another_python(tags)


def _of_another_python(tags: Iterable[Tag]) -> str:
    there = " or ".join(sorted({_python(tag.interpreter, tag.abi) for tag in tags}))
    here = f"{'free-threaded ' if _is_free_threaded() else ''}Python 3.{sys.version_info.minor}"
    way = f"{_IN_A_CONTAINER} with {there}"
    if not _is_free_threaded() and "free-threaded" not in there:
        way = f"Leave `python` out to build for this Python, or {way}"
    return f"is for {there}, and this is {here}.\n  {way[0].upper()}{way[1:]}."


def _python(interpreter: str, abi: str) -> str:
    """Return "free-threaded Python 3.13" for "cp313" and "cp313t", "PyPy 3.11" for "pp311"."""
    name = {"cp": "Python", "pp": "PyPy"}.get(interpreter[:2], interpreter[:2])
    version = f"{interpreter[2:3]}.{interpreter[3:]}".rstrip(".")
    return f"{'free-threaded ' if abi.endswith('t') else ''}{name} {version}{' or newer' if abi == 'abi3' else ''}"


def _is_free_threaded() -> bool:
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def _platforms(tags: Iterable[Tag]) -> set[str]:
    return {tag.platform for tag in tags} - {"any"}
