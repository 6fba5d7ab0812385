"""The command line of the development stack."""

from __future__ import annotations

import argparse
import os
import sys

from dev.stack import images, packages
from dev.stack.settings import Settings, StackError
from dev.stack.shell import say
from dev.stack.stack import Stack


def main(arguments: list[str]) -> int:
    """Do what the command line asks; a failure is one message and exit code 1."""
    asked = _parser().parse_args(arguments)
    try:
        _carry_out(asked, Stack(Settings.from_environment(os.environ)))
    except StackError as error:
        say(f"stack: error: {error}")
        return 1
    except KeyboardInterrupt:
        say("stack: interrupted")
        return 130
    return 0


def _carry_out(asked: argparse.Namespace, stack: Stack) -> None:
    if asked.command == "up":
        stack.up()
    elif asked.command == "env":
        print(stack.exports(stack.up()))
    elif asked.command == "image":
        print(stack.image(asked.name))
    elif asked.command == "browser":
        packages.install_browser()
    elif asked.command == "status":
        print(stack.status())
    elif asked.command == "clean":
        stack.clean()
    else:
        stack.down()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring engine, registry and images up")
    commands.add_parser("env", help="the same, and print the lines a shell evaluates to use them")
    commands.add_parser("down", help="end all of it")
    commands.add_parser("status", help="tell what runs")
    commands.add_parser("browser", help="install the browser that a few tests look at pages with")
    commands.add_parser("clean", help="end all of it and delete its caches")
    image = commands.add_parser("image", help="build and push one image, and print its full name")
    image.add_argument("name", metavar="NAME", help=", ".join(images.ALL))
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
