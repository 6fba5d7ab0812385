"""Has the agent compiled while the host and cargo do something else."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from pytest_dagger_rust.container import agent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pytest_dagger_rust.builds.execs import BuildRequest


@contextlib.asynccontextmanager
async def compiled_ahead(request: BuildRequest, *, is_first: bool) -> AsyncGenerator[None]:
    """Have both halves of the agent compiled meanwhile, where this is the first build with a builder.

    The half that builds is compiled while the sources are packed, the half that runs while cargo builds. What fails
    here fails where it is needed, too, and is said there.
    """
    if not is_first:
        yield
        return
    task = asyncio.create_task(_compile(request))
    try:
        yield
    except BaseException:
        task.cancel()
        raise
    finally:
        # Neither its error nor its end by `cancel` is one of the build's.
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()


async def _compile(request: BuildRequest) -> None:
    await request.program().sync()
    await agent.folder(request.client, request.builder, request.libc).sync()
