"""Names a builder container by its content, with the same name in every session."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagger

# An id that is the recipe of its object is longer than any number.
_SHORTEST_RECIPE = 40


async def identity(builder: dagger.Container) -> str:
    """Return a text that changes when the builder does.

    Up to Dagger 0.20 an id is the recipe of its object, image digests included. Newer engines number their objects,
    so there the files and the variables are asked for.
    """
    recipe = str(await builder.id())
    return recipe if len(recipe) >= _SHORTEST_RECIPE else await content(builder)


async def content(builder: dagger.Container) -> str:
    """Return the digest of the builder's files, and its variables."""
    variables = sorted(
        [f"{await item.name()}={await item.value()}" for item in await builder.env_variables()]
    )
    return "\0".join([await builder.rootfs().digest(), *variables])
