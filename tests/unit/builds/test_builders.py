"""A builder is named by its recipe where the engine only numbers its objects."""

# pyright: reportPrivateUsage=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast

import dagger
from dagger.client._core import Context

from pytest_dagger_rust.builds import builders


@dataclass
class _Field:
    name: str
    args: dict[str, Any]


class _Connection:
    """A session."""


@dataclass
class _Context:
    conn: _Connection = field(default_factory=_Connection)
    selections: deque[_Field] = field(default_factory=deque)


class _Folder:
    def __init__(self, text: str) -> None:
        self._text = text

    async def digest(self) -> str:
        return self._text


class _Container:
    """A container of an engine that numbers its objects, and says so each time by another number."""

    numbers = iter(range(1000))

    def __init__(self, context: _Context) -> None:
        self._ctx = context

    def call(self, name: str, /, **arguments: object) -> _Container:
        selections = deque([*self._ctx.selections, _Field(name, arguments)])
        return _Container(dataclasses.replace(self._ctx, selections=selections))

    async def id(self) -> str:
        for step in self._ctx.selections:
            step.args.update({key: "7" for key, value in step.args.items() if isinstance(value, _Folder)})
        return str(next(self.numbers))

    async def image_ref(self) -> str:
        assert self._ctx.selections[-1].name == "from", "only there can it be asked for"
        return f"{self._ctx.selections[-1].args['address']}@sha256:1"

    def rootfs(self) -> _Folder:
        return _Folder("the files")

    async def env_variables(self) -> list[object]:
        return []


def _image(address: str = "rust:1") -> _Container:
    return _Container(_Context()).call("container").call("from", address=address)


def _name(builder: _Container) -> str:
    return asyncio.run(builders.identity(cast("Any", builder)))


def test_an_equal_recipe_keeps_its_name() -> None:
    """The same calls in another session name the same builder, by the image's digest and the content of folders."""

    def made() -> _Container:
        return (
            _image().call("withExec", args=["apt-get"]).call("withDirectory", path="/a", source=_Folder("x"))
        )

    assert _name(made()) == _name(made())
    assert "rust:1@sha256:1" in _name(made())
    assert "the files" not in _name(made())


def test_another_recipe_has_another_name() -> None:
    """Each of image, command, variable and content of a folder counts; what a cache volume holds does not."""
    builds = [
        _image(),
        _image("rust:2"),
        _image().call("withExec", args=["one"]),
        _image().call("withExec", args=["two"]),
        _image().call("withEnvVariable", name="A", value="1"),
        _image().call("withDirectory", path="/a", source=_Folder("x")),
        _image().call("withDirectory", path="/a", source=_Folder("y")),
    ]
    assert len({_name(item) for item in builds}) == len(builds)
    cached = [_image().call("withMountedCache", path="/c", cache=str(number)) for number in range(2)]
    assert _name(cached[0]) == _name(cached[1])


def test_what_is_known_by_number_only_is_named_by_its_files() -> None:
    """A container that was loaded by its id, or a folder whose id has been asked for, leaves the files to tell."""
    loaded = _Container(_Context()).call("loadContainerFromID", id="7")
    assert "the files" in _name(loaded)
    asked = _image().call("withDirectory", path="/a", source=_Folder("x"))
    asyncio.run(asked.id())
    assert "the files" in _name(asked)


def test_a_builder_keeps_its_name_when_it_is_used_again() -> None:
    """The second build of a session names it as the first did, also one made from it later; another session does too."""
    first, second = (_image().call("withDirectory", path="/a", source=_Folder("x")) for _ in range(2))
    names = [_name(first), _name(first), _name(second)]
    assert len(set(names)) == 1
    assert "the files" not in names[0]
    more = [_name(builder.call("withEnvVariable", name="A", value="1")) for builder in (first, second)]
    assert more[0] == more[1]
    assert "the files" not in more[0]


def test_the_sdk_keeps_the_recipe_where_it_is_read() -> None:
    """A container of the SDK itself has its calls, and can be asked as it was after the image was named."""
    connection = cast("Any", None)
    client = dagger.Client(cast("Any", Context)(connection))
    builder = client.container().from_("rust:1").with_exec(["true"]).with_env_variable("A", "1")
    steps = builders.steps(builder)
    assert [name for name, _ in steps] == ["container", "from", "withExec", "withEnvVariable"]
    assert steps[1][1] == {"address": "rust:1"}
    image = builders._up_to(builder, 2)
    assert [name for name, _ in builders.steps(image)] == ["container", "from"]
