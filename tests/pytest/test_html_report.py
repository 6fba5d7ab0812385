"""Tests of the page about the builds: its content, and how a real browser shows it."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import uuid
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.builds.messages import Artifact
from pytest_dagger_rust.builds.timings import Timing, read_timings
from pytest_dagger_rust.report import html_report
from pytest_dagger_rust.report.facts import BuildFacts, Finding
from tests.pytest import program
from tests.pytest.terminal import WITHOUT_THEM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pytest.conftest import Project

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

EVIL = "<script>alert('x')</script>"
FACTS = BuildFacts(
    f"cargo build --features {EVIL}",
    "key",
    "/repo",
    started=1.0e9,
    seconds=12.5,
    state="partly rebuilt",
    compiled=("serde", "app"),
    fresh=("log",),
    steps={"cargo": 11.0},
    reasons={"serde": "its features changed", "app": "src/main.rs changed"},
    sizes={"app": 3 << 20, "tiny": 12},
    caches={"dependencies": "kept"},
    findings=(Finding("warning", "w", "unused", "", f"warning: {EVIL}\n" + "x" * 300, "src/main.rs", 1, 1),),
    timings=(("serde", 100.0, 108.0, None), ("app", 108.1, 111.0, "serde")),
)
HISTORY = [{"started": 9.0e8 + number, "seconds": number, "compiled": number} for number in range(5)]


class WellFormed(HTMLParser):
    """Counts the elements, and sees that each is closed where it has to be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which has to be this one."""
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    """Elements nest, names are escaped, and there is neither script nor anything to load."""
    text = html_report.page([FACTS], HISTORY, title=EVIL)
    page = WellFormed()
    page.feed(text)
    assert page.open == []
    tags = {tag for tag, _ in page.seen}
    assert not tags & {"script", "link", "img", "iframe"}
    assert not [
        a for _, attributes in page.seen for a in attributes if a in ("src", "href") or a.startswith("on")
    ]
    assert "url(" not in text
    assert html.escape(EVIL) in text
    for words in ("its features changed", "3.0 MB", "12 bytes", "waited for", "kept"):
        assert words in text


def test_a_failed_build_has_a_page_too() -> None:
    """Without anything compiled there is the error, and no empty tables."""
    failed = replace(
        FACTS, state="failed", error="could not compile", timings=(), compiled=(), steps={}, sizes={}
    )
    text = html_report.page([replace(failed, caches={}, findings=())], [], title="x")
    assert "could not compile" in text
    assert "<table" not in text


MEASURE = """
<script>
const frame = document.createElement("iframe");
frame.style = "border: 0; height: 600px; width: " + WIDTH + "px";
frame.onload = () => {
  const inner = frame.contentDocument, bars = [...inner.querySelectorAll(".bar")];
  const lanes = bars.map(bar => bar.getBoundingClientRect());
  document.title = JSON.stringify({
    overflow: inner.documentElement.scrollWidth - inner.documentElement.clientWidth,
    ground: getComputedStyle(inner.body).backgroundColor,
    ink: getComputedStyle(inner.body).color,
    bars: lanes.map(box => [Math.round(box.left), Math.round(box.width), Math.round(box.height)]),
  });
};
frame.srcdoc = PAGE;
document.body.append(frame);
</script>
"""


def measured(folder: Path, width: int, scheme: str) -> dict[str, Any]:
    """Show the page in a frame of a width, and give what a script beside it has measured."""
    import json  # noqa: PLC0415 - named beside what it writes

    page = json.dumps(html_report.page([FACTS], HISTORY, title="greet")).replace("</", "<\\/")
    file = folder / "measure.html"
    text = MEASURE.replace("WIDTH", str(width)).replace("PAGE", page)
    file.write_text(f"<!doctype html><meta name='color-scheme' content='light dark'><body>{text}")
    switches = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
    ]
    switches += ["--disable-background-networking", "--disable-component-update", "--window-size=1400,900"]
    switches += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000", "--dump-dom"]
    # Blink's own numbers for what the system prefers.
    switches.append(f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}")
    command = [str(CHROMIUM), *switches, file.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search("<title>(.*)</title>", shown)
    assert found, shown
    values: dict[str, Any] = json.loads(html.unescape(found[1]))
    return values


def brightness(colour: str) -> int:
    """Add up the parts of a colour as browsers write it."""
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; `make browser` installs it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_a_browser_shows_it(tmp_path: Path, width: int, scheme: str) -> None:
    """Narrow and wide, light and dark: nothing sticks out, text stands out, and bars lie where their times are."""
    seen = measured(tmp_path, width, scheme)
    assert seen["overflow"] == 0
    ground, ink = brightness(seen["ground"]), brightness(seen["ink"])
    assert (ground > ink) == (scheme == "light")
    assert abs(ground - ink) > 400
    (first_left, first_width, height), (second_left, second_width, _) = seen["bars"][:2]
    assert height > 5
    assert second_left >= first_left + first_width - 1
    assert first_width > second_width > 10


def artifact(package: str, *, fresh: bool = False, version: str = "1.0.0") -> Artifact:
    """Return an artifact of a package."""
    return Artifact(package, package, version, ("lib",), ("lib",), (), (), None, fresh)


def test_timelines_are_read() -> None:
    """A package lasts from its start to its last artifact; stubs and fresh ones do not count."""
    starts, ends = [("syn", 1.0), ("app", 3.1)], [2.0, 3.0, 3.5, 4.0, 5.0]
    said = [
        artifact("syn"),
        artifact("syn"),
        artifact("old", fresh=True),
        artifact("app"),
        artifact("app", version="0.0.0-skeleton"),
    ]
    assert read_timings(starts, ends, said, {"app": ["syn", "late"]}) == (
        Timing("syn", 1.0, 3.0, None),
        Timing("app", 3.1, 4.0, "syn"),
    )


def test_a_run_writes_the_page(bare_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a build: its packages with times and sizes, and this run below the last ones; again after another."""
    slow = 'fn main() {\n    println!("cargo:rerun-if-env-changed=TURN");\n}\n'
    bare_project.write(
        {**program.FILES, "build.rs": slow, "test_any.py": "def test_any(cached_rust_build):\n    pass\n"}
    )
    for number in (1, 2):
        monkeypatch.setenv("PYTEST_DAGGER_RUST_BUILD_ENV", f"TURN={uuid.uuid4().hex}")
        result = bare_project.pytester.runpytest_subprocess(
            *WITHOUT_THEM, "--dagger-rust-html-report=out/report.html", timeout=300
        )
        result.assert_outcomes(passed=1)
        text = (bare_project.folder / "out/report.html").read_text()
        assert re.search(r"<th scope='row'>app</th><td class='lane'><div class='bar'", text)
        assert re.search(r"<th scope='row'>target directory</th><td>[\d.]+ MB", text)
        runs = text.partition("Last runs")[2]
        assert runs.count("<tr><th scope='row'>") == number
