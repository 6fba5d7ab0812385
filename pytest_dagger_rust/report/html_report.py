"""The page about the builds of a run: one HTML file without scripts."""

from __future__ import annotations

import html
import time
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_dagger_rust.report.facts import BuildFacts, Finding

_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))
_STEPS = {
    "dependencies": "building the dependency layer",
    "lock": "waiting for another build",
    "update": "bringing sources up to date",
    "restore": "restoring compiled dependencies",
    "cargo": "cargo",
    "verify": "verifying binaries",
    "copy": "copying binaries out",
}


def page(builds: Sequence[BuildFacts], history: Sequence[Mapping[str, Any]], *, title: str) -> str:
    """Return the page; `history` has the time, seconds and number of compiled packages of earlier runs."""
    style = resources.files("pytest_dagger_rust.report").joinpath("report.css").read_text("utf-8")
    body = "\n".join([*(_build(build, number) for number, build in enumerate(builds, 1)), _history(history)])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_text(title)}: Rust builds</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{_text(title)}</h1><p>Rust builds of {_date(builds[0].started)}</p></header>
<main>
{body}
</main>
</body>
</html>
"""


def _build(build: BuildFacts, number: int) -> str:
    parts = [
        f"<h2 id='build-{number}'><code>{_text(build.name)}</code></h2>",
        _figures(build),
        f"<p class='error' role='alert'>{_text(build.error)}</p>" if build.error else "",
        _findings(build.findings),
        _timeline(build),
        _steps(build),
        _reasons(build),
        _sizes(build),
    ]
    return f"<section aria-labelledby='build-{number}'>{''.join(parts)}</section>"


def _figures(build: BuildFacts) -> str:
    figures = {
        "seconds": f"{build.seconds:.1f}",
        "compiled": str(len(build.compiled)),
        "fresh": str(len(build.fresh)),
        "warnings": str(build.warnings),
        "state": build.state,
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{_text(value)}</dd></div>" for name, value in figures.items())
    return f"<dl class='figures'>{items}</dl>"


def _findings(findings: Iterable[Finding]) -> str:
    items = [
        f"<li class='{_text(f.level.partition(':')[0])}'><pre>{_text(f.text)}</pre></li>" for f in findings
    ]
    return f"<h3>Compiler messages</h3><ul class='findings'>{''.join(items)}</ul>" if items else ""


def _timeline(build: BuildFacts) -> str:
    if not build.timings:
        return ""
    first = min(began for _, began, _, _ in build.timings)
    whole = max(max(ended for _, _, ended, _ in build.timings) - first, 0.1)
    rows = "".join(_bar(timing, first, whole) for timing in sorted(build.timings, key=lambda t: (t[1], t[2])))
    scale = "".join(f"<span>{whole * part / 4:.1f} s</span>" for part in range(5))
    return (
        "<h3>When packages were compiled</h3><div class='timeline'>"
        f"<table><thead><tr><th scope='col'>package</th><th scope='col'><div class='scale'>{scale}</div></th>"
        f"<th scope='col'>seconds</th><th scope='col'>waited for</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _bar(timing: tuple[str, float, float, str | None], first: float, whole: float) -> str:
    package, began, ended, waited_for = timing
    left, width = 100 * (began - first) / whole, max(100 * (ended - began) / whole, 0.4)
    words = f"{package}: from {began - first:.1f} s to {ended - first:.1f} s"
    return (
        f"<tr><th scope='row'>{_text(package)}</th><td class='lane'><div class='bar' title='{_text(words)}' "
        f"style='margin-left:{left:.2f}%;width:{min(width, 100 - left):.2f}%'></div></td>"
        f"<td class='number'>{ended - began:.1f}</td><td class='waited'>{_text(waited_for or '')}</td></tr>"
    )


def _steps(build: BuildFacts) -> str:
    rows = [(_STEPS.get(name, name), f"{seconds:.2f} s") for name, seconds in build.steps.items()]
    return _table("Steps in the containers", ("step", "time"), rows)


def _reasons(build: BuildFacts) -> str:
    rows = [(name, build.reasons.get(name, "")) for name in dict.fromkeys(build.compiled)]
    return _table("What was compiled, and why", ("package", "reason"), rows)


def _sizes(build: BuildFacts) -> str:
    rows = [(name, _bytes(size)) for name, size in build.sizes.items()]
    rows += [(f"cache: {name}", state) for name, state in build.caches.items()]
    return _table("Binaries and caches", ("name", "size or state"), rows)


def _history(history: Sequence[Mapping[str, Any]]) -> str:
    if not history:
        return ""
    longest = max(float(run["seconds"]) for run in history) or 1.0
    rows = "".join(_run(run, longest) for run in reversed(history))
    return (
        "<section aria-labelledby='history'><h2 id='history'>Last runs</h2><div class='timeline'><table><thead><tr>"
        "<th scope='col'>when</th><th scope='col'>builds took</th><th scope='col'>seconds</th>"
        f"<th scope='col'>compiled</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _run(run: Mapping[str, Any], longest: float) -> str:
    width = max(100 * float(run["seconds"]) / longest, 0.4)
    return (
        f"<tr><th scope='row'>{_date(float(run['started']))}</th><td class='lane'>"
        f"<div class='bar' style='width:{width:.2f}%'></div></td>"
        f"<td class='number'>{float(run['seconds']):.1f}</td><td class='number'>{int(run['compiled'])}</td></tr>"
    )


def _table(title: str, columns: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th scope='col'>{column}</th>" for column in columns)
    body = "".join(
        f"<tr><th scope='row'>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows
    )
    # Long lists are folded away; a details element needs no script.
    is_open = " open" if len(rows) <= 12 else ""
    return (
        f"<details{is_open}><summary>{title}</summary><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></details>"
    )


def _bytes(size: int) -> str:
    unit, name = next(((unit, name) for unit, name in _UNITS if size >= unit), (1, "bytes"))
    return f"{size / unit:.1f} {name}" if unit > 1 else f"{size} {name}"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _text(value: str) -> str:
    return html.escape(value, quote=True)


def history_of(
    earlier: Iterable[Mapping[str, Any]], builds: Sequence[BuildFacts], keep: int
) -> Iterator[Any]:
    """Return the last runs with this one at the end, as plain values."""
    now = {
        "started": min(build.started for build in builds),
        "seconds": sum(build.seconds for build in builds),
        "compiled": sum(len(build.compiled) for build in builds),
    }
    yield from [*earlier, now][-keep:]
