"""Opens a shell where the program of a failed test ran, for runs with --dagger-rust-shell-on-failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.run import started, terminal

if TYPE_CHECKING:
    from pytest_dagger_rust.run.started import Started

_WITH_WORKERS = "is not supported with pytest-xdist workers: leave it out, or add -n0"
_NO_TERMINAL = "needs a terminal: stdin or stdout is not a terminal"


class ShellOnFailure:
    """The hooks; `source` says where the setting comes from.

    Raises UsageError if no shell can be opened.
    """

    def __init__(self, config: pytest.Config, source: str) -> None:
        self._config = config
        if config.getoption("dist", "no") != "no":
            raise pytest.UsageError(f"pytest-dagger-rust: {source} {_WITH_WORKERS}.")
        _end_capture(config)
        if not terminal.is_there():
            raise pytest.UsageError(f"pytest-dagger-rust: {source} {_NO_TERMINAL}.")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Start over for each test."""
        started.forget()

    def pytest_exception_interact(self, node: pytest.Item | pytest.Collector, report: Any) -> None:
        """Show the failure and open the shell, before the test's fixtures end."""
        reporter: pytest.TerminalReporter | None = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or not isinstance(node, pytest.Item):
            return
        _end_capture(self._config)
        reporter.ensure_newline()
        reporter.write_sep("_", f"{node.name}: {report.when} failed")
        report.toterminal(self._config.get_terminal_writer())
        program = started.last()
        message = "the test started no program" if program is None else _opened(program, reporter)
        if message:
            reporter.write_line(f"dagger-rust: no shell: {message}")


def _end_capture(config: pytest.Config) -> None:
    """Give standard input and output back, as for a debugger; pytest itself captures them again for the next test."""
    if capture := config.pluginmanager.get_plugin("capturemanager"):
        capture.suspend_global_capture(in_=True)


def _opened(program: Started, reporter: pytest.TerminalReporter) -> str | None:
    """Open a shell for the user; return an error, or None."""
    from pytest_dagger_rust.run.shell import Shell  # noqa: PLC0415 - only where a test has failed

    if program.engine is None:
        return "its build has no Engine"
    users = terminal.UserTerminal()
    call, shell = program.engine.call, Shell(program, users)
    try:
        call(shell.start)
        reporter.write_line(
            f"dagger-rust: a shell where `{shell.command}` ran; `exit` continues with the tests"
        )
        with users.raw():
            call(shell.attend)
    except Exception as error:  # noqa: BLE001 - whatever it is, the tests continue
        return str(error)
    finally:
        call(shell.stop)
    return None
