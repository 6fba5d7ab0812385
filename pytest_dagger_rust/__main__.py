"""`python -m pytest_dagger_rust`: looks after what machines share, and builds without running tests."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pytest_dagger_rust.builds.inventory import inventory, outdated
from pytest_dagger_rust.builds.places import Place
from pytest_dagger_rust.errors import DaggerRustError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and return the exit code."""
    options, rest = _parser().parse_known_args(arguments)
    if options.command == "warm":
        _warm(rest)
    if rest:
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return int(options.run(options))
    except (DaggerRustError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a program
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pytest_dagger_rust", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    cache = commands.add_parser("cache", help="look after a folder or registry repository of cache_to")
    actions = cache.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("ls", help="list what was published")
    inspecting = actions.add_parser("inspect", help="show what something was made of")
    pruning = actions.add_parser("prune", help="delete what is old")
    for action, function in ((listing, _list), (inspecting, _inspect), (pruning, _prune)):
        action.add_argument("place", metavar="PLACE", help="as in cache_to")
        action.set_defaults(run=function)
    inspecting.add_argument("name", metavar="NAME", help="as in ls")
    pruning.add_argument("--keep", type=int, metavar="N", help="keep the newest N of each kind")
    pruning.add_argument("--older-than", type=float, metavar="DAYS", help="delete what is older")
    pruning.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    commands.add_parser(
        "warm", help="build what tests need, and run none; takes pytest's arguments", add_help=False
    )
    return parser


def _place(options: argparse.Namespace) -> Place:
    return Place.of(options.place, Path.cwd())


def _list(options: argparse.Namespace) -> int:
    now = time.time()
    for item in inventory(_place(options)).items():
        print(item.line(now))  # noqa: T201
    return 0


def _inspect(options: argparse.Namespace) -> int:
    for item in inventory(_place(options)).items():
        if item.name == options.name:
            print(item.line(time.time()))  # noqa: T201
            for name, value in sorted(item.manifest.items()):
                print(one_line(f"  {name}: {value}"))  # noqa: T201
            return 0
    raise DaggerRustError(f"{options.place} has nothing of the name {options.name}.")


def _prune(options: argparse.Namespace) -> int:
    if options.keep is None and options.older_than is None:
        raise DaggerRustError("Say what to delete: --keep N, --older-than DAYS, or both.")
    place = inventory(_place(options))
    for item in outdated(place.items(), keep=options.keep, days=options.older_than):
        if not options.dry_run:
            place.delete(item.name)
        print(f"{'would delete' if options.dry_run else 'deleted'} {one_line(item.name)}")  # noqa: T201
    return 0


def _warm(arguments: Sequence[str]) -> NoReturn:
    """Become pytest: it has to see this package before the package is imported."""
    plugin = ["-p", "pytest_dagger_rust.plugin.warm"]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *plugin, *arguments])  # noqa: S606 - no shell


if __name__ == "__main__":
    sys.exit(main())
