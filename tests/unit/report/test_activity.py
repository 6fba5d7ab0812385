"""Tests of what progress says of a build, from recorded spans and logs."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.engine.otlp import CALL, LOGS, OUTPUT, RESUMED, TRACES, Batch
from pytest_dagger_rust.report.activity import Activity
from tests.unit.recordings import log, recorded, span, traces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_dagger_rust.engine.otlp import Span


def words_after_each(batches: Iterable[Batch]) -> list[tuple[str, str]]:
    """Return what is shown one after the other, nothing where no build is under way."""
    activity = Activity()
    seen = [("", "")]
    for batch in batches:
        activity.feed(batch)
        words = activity.words() if activity.is_busy else ("", "")
        if words != seen[-1]:
            seen.append(words)
    return seen


def again(found: Span) -> object:
    """Return a span that was read, to be sent alone."""
    made = span("", found.name, ended=found.ended, attributes=dict(found.attributes))
    made.span_id, made.parent_span_id = found.id, found.parent
    for link in found.links:
        made.links.add(span_id=link)
    return made


def field(number: int, data: bytes) -> bytes:
    """Return one field of a protobuf message."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def call(*args: str) -> str:
    """Return the attribute of a span that asks for an exec."""
    items = b"".join(field(1, field(7, arg.encode())) for arg in args)
    return base64.b64encode(field(4, field(1, b"args") + field(2, field(8, items)))).decode()


def test_a_recorded_build() -> None:
    """Of an engine of 0.19: both execs are shown while they run, with cargo's count and package, and nothing before or after."""
    seen = words_after_each(recorded("build"))
    assert seen[1] == ("compiling dependencies", "")
    assert [words for words in seen if words[0].startswith("compiling dependencies")][-1] == (
        "compiling dependencies 4/5",
        "anyhow",
    )
    assert ("compiling 4/5", "app(bin)") in seen
    assert seen[-1] == ("", "")
    assert not any("Building" in detail or "\x1b" in detail for _, detail in seen)


def test_a_recorded_pull() -> None:
    """The image is named while it is pulled, without its digest, and no longer."""
    spans = (found for batch in recorded("pull") for found in batch.spans())
    seen = words_after_each(traces(again(found)) for found in spans)
    assert ("pulling", "127.0.0.1:5000/postgres:17") in seen
    assert seen[-1] == ("", "")


LAZY = {
    "named": [span("2", "Container.withExec", attributes={RESUMED: "xxh3:out"})],
    "linked": [span("2", "evaluate", links=["1"])],
    "child": [span("2", "evaluate", parent="1")],
    "by its command": [span("2", f"exec {agent.PROGRAM} build --volume /v -- cargo build")],
    "grandchild": [span("3", "evaluate", parent="1"), span("2", "exec", parent="3")],
}


@pytest.mark.parametrize("work", LAZY.values(), ids=LAZY)
def test_an_exec_that_is_asked_for_and_done_later(work: list[Any]) -> None:
    """Where the call ends at once, a later span does the work, and says in one of several ways whose."""
    asked = {CALL: call(agent.PROGRAM, "build", "--volume"), OUTPUT: "xxh3:out"}
    activity = Activity()
    begun = span("1", "Container.withExec", attributes=asked)
    activity.feed(traces(begun, span("1", "Container.withExec", ended=True, attributes=asked)))
    assert not activity.is_busy
    activity.feed(traces(*work))
    assert activity.words() == ("compiling", "")
    activity.feed(log("2", "   Compi", "ling app v1.0.0\n    Building [=>  ] 3/", "4: app\r"))
    assert activity.words() == ("compiling 3/4", "app")
    activity.feed(traces(*(span(s.span_id.decode(), s.name, ended=True) for s in work)))
    assert not activity.is_busy


def test_the_toolchain_and_the_wheel_are_steps_as_well() -> None:
    """Rustup downloads for minutes: what it is at is shown, whichever way it spells a name."""
    activity = Activity()
    activity.feed(traces(span("1", f"exec {agent.PROGRAM} toolchain --into /x --channel 1.95")))
    assert activity.words() == ("installing the toolchain", "")
    activity.feed(log("1", "info: syncing channel updates for 1.95-x86_64-unknown-linux-gnu\n"))
    assert activity.words()[1] == "syncing channel updates for 1.95-x86_64-unknown-linux-gnu"
    activity.feed(log("1", "info: downloading component 'rust-std'\n\n warning: none\n"))
    assert activity.words() == ("installing the toolchain", "downloading component rust-std")
    activity.feed(traces(span("1", "exec", ended=True)))
    assert not activity.is_busy
    asked = {CALL: call(agent.PROGRAM, "wheel", "--volume")}
    activity.feed(traces(span("2", "Container.withExec", attributes=asked)))
    assert activity.words() == ("packing the wheel", "")


def test_other_execs_are_not_shown() -> None:
    """A program under test that prints what cargo prints is no build."""
    activity = Activity()
    activity.feed(
        traces(span("1", "Container.withExec", attributes={CALL: call(agent.PROGRAM, "run", "--")}))
    )
    activity.feed(traces(span("2", "Container.withExec", attributes={CALL: call("cargo", "build", "--")})))
    activity.feed(log("1", "   Compiling app v1.0.0\n"))
    assert not activity.is_busy


@pytest.mark.parametrize("body", [b"\xff" * 40, b"\x0a\x05ab", b"", bytes(range(256))])
@pytest.mark.parametrize("signal", [TRACES, LOGS])
def test_a_malformed_body_says_nothing(body: bytes, signal: str) -> None:
    """What is no OTLP is passed over."""
    activity = Activity()
    activity.feed(Batch(signal, body))
    assert not activity.is_busy


@pytest.mark.parametrize("payload", ["", "%", "AAAA", base64.b64encode(b"\x22\x7fab").decode(), "IgIK/w=="])
def test_a_malformed_call_names_no_exec(payload: str) -> None:
    """A call that cannot be read is one that says nothing."""
    activity = Activity()
    activity.feed(traces(span("1", "Container.withExec", attributes={CALL: payload})))
    assert not activity.is_busy


def size_of(activity: Activity) -> int:
    """Return the entries and characters that are kept."""
    kept = [*activity._steps.values(), *activity._busy]  # pyright: ignore[reportPrivateUsage]
    sizes = sum(len(step.line) + len(step.open) + sys.getsizeof(step.crates) for step in {*kept})
    return sizes + len(activity._steps) + len(activity._pulls)  # pyright: ignore[reportPrivateUsage]


def test_what_is_kept_is_bounded() -> None:
    """Endless spans that never end, lines that never end, and pulls take no more memory than a few."""
    activity = Activity()
    asked = {CALL: call(agent.PROGRAM, "build", "--volume")}
    for number in range(5000):
        id_ = str(number)
        activity.feed(
            traces(span(id_, "Container.withExec", attributes=asked), span(f"p{id_}", f"pull image{id_}"))
        )
        activity.feed(traces(span(f"c{id_}", "child", parent="4999"), span(f"d{id_}", "child", parent=id_)))
    for _ in range(100):
        activity.feed(log("4999", "x" * 100_000))
    assert size_of(activity) < 200_000
    assert activity.is_busy
