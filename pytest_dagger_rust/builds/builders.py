"""Names a builder container by how it was made, the same in every session."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dagger

# The calls that a container was made by, with their arguments.
Steps: TypeAlias = "Sequence[tuple[str, dict[str, Any]]]"

# The calls seen in each session, by identity.
_SEEN: WeakKeyDictionary[object, dict[int, tuple[object, dict[str, Any]]]] = WeakKeyDictionary()

# An id that is the recipe of its object is longer than any number.
_SHORTEST_RECIPE = 40
# Mounts that are no part of the image, and whose ids differ from session to session.
_NO_FILES = frozenset({"withMountedCache", "withMountedSecret", "withSecretVariable", "withRegistryAuth"})


async def identity(builder: dagger.Container) -> str:
    """Return a text that changes when the builder does.

    Up to Dagger 0.20 an id is the recipe of its object, image digests included. Newer engines number their objects,
    so there the recipe is read from the client's side; where that is not whole, the files are asked for.
    """
    known = steps(builder)
    recipe = str(await builder.id())
    if len(recipe) >= _SHORTEST_RECIPE:
        return recipe
    return await written(builder, known) or await content(builder)


async def content(builder: dagger.Container) -> str:
    """Return the digest of the builder's files, and its variables; this takes seconds for a large image."""
    files, variables = await asyncio.gather(builder.rootfs().digest(), builder.env_variables())
    names = asyncio.gather(*(item.name() for item in variables))
    values = asyncio.gather(*(item.value() for item in variables))
    pairs = zip(await names, await values, strict=True)
    return "\0".join([files, *sorted(f"{name}={value}" for name, value in pairs)])


def steps(builder: dagger.Container) -> Steps:
    """Return the calls that a container was made by, in order, with their arguments; empty where they are unknown.

    Asking for an id puts numbers in the place of files and folders, in each container that such a call is part of. So
    the arguments are remembered as they were when the call was first seen: in the session's first build.
    """
    context: Any = getattr(builder, "_ctx", None)
    seen = _seen_in(getattr(context, "conn", None))
    return [_as_first_seen(seen, field) for field in getattr(context, "selections", ())]


def _seen_in(connection: object) -> dict[int, tuple[object, dict[str, Any]]]:
    return {} if connection is None else _SEEN.setdefault(connection, {})


def _as_first_seen(seen: dict[int, tuple[object, dict[str, Any]]], field: Any) -> tuple[str, dict[str, Any]]:
    # The call is kept with its arguments, so that no other one gets its number.
    _, arguments = seen.setdefault(id(field), (field, dict(field.args)))
    return str(field.name), arguments


async def written(builder: dagger.Container, steps: Steps) -> str | None:
    """Return the recipe of a container as the client knows it; None where parts of it are only known by number.

    The image is named by its digest, files and folders by that of their content. An equal recipe is an equal builder,
    also where the engine has made its layers again. `steps` are those of before anything asked for the id.
    """
    if [name for name, _ in steps[:1]] != ["container"] or not all(map(_is_known, steps)):
        return None
    return json.dumps([await _step(builder, number, step) for number, step in enumerate(steps, 1)])


def _is_known(step: tuple[str, dict[str, Any]]) -> bool:
    name, arguments = step
    is_call = name in {"container", "from"} or name.startswith("with")
    plain = (str, int, float, bool, type(None), list, dict)
    # A text is an id where an object is wanted: those are unknown once they have been asked for.
    objects = [value for key, value in arguments.items() if key in {"source", "directory", "service"}]
    can_be_named = all(hasattr(value, "digest") or isinstance(value, plain) for value in arguments.values())
    return is_call and (
        name in _NO_FILES or (can_be_named and not any(isinstance(value, str) for value in objects))
    )


async def _step(builder: dagger.Container, number: int, step: tuple[str, dict[str, Any]]) -> list[object]:
    name, arguments = step
    if name == "from":
        return [name, await _up_to(builder, number).image_ref()]
    if name in _NO_FILES:
        return [name, {key: value for key, value in arguments.items() if key in {"path", "name"}}]
    return [
        name,
        {
            key: await value.digest() if hasattr(value, "digest") else value
            for key, value in arguments.items()
        },
    ]


def _up_to(builder: Any, number: int) -> dagger.Container:
    """Return the container as it was after so many calls."""
    context = builder._ctx  # noqa: SLF001 - the SDK has no public way to ask for it
    selections = deque(list(context.selections)[:number])
    found: dagger.Container = type(builder)(dataclasses.replace(context, selections=selections))
    return found
