"""Session fixtures while tests are collected: pytest itself sets them up for a running test only."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import Any, cast

import pytest
from _pytest.fixtures import TopRequest


class CollectionItem(pytest.Item):
    """Stands where a test would, to ask for fixtures while tests are collected; it is never run."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        manager = self.session._fixturemanager  # noqa: SLF001
        self._fixtureinfo = manager.getfixtureinfo(node=self, func=None, cls=None)
        self.funcargs: dict[str, object] = {}

    def runtest(self) -> None:
        """Do nothing."""


def session_fixture(session: pytest.Session, name: str) -> Any:
    """Return the value of a session fixture as the tests below rootdir would get it, overrides and all."""
    state = session._setupstate  # noqa: SLF001
    item = CollectionItem.from_parent(session, name="item")
    state.setup(item)
    try:
        return TopRequest(cast("pytest.Function", item), _ispytest=True).getfixturevalue(name)
    finally:
        # The session stays set up, with its fixtures; pytest ends it after the last test.
        state.teardown_exact(CollectionItem.from_parent(session, name="next"))
