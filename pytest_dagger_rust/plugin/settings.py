"""Where each setting's value comes from: option, then environment variable, then ini file, then default."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pytest_dagger_rust.builds.access import LONGEST, BuildAccess, check_reference, references
from pytest_dagger_rust.builds.options import CargoOptions
from pytest_dagger_rust.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Kind = Literal["text", "list", "switch", "seconds", "count", "folder", "file", "choice", "reference"]

_TAKES = {
    "builder_image": "the name of an image",
    "runtime_image": "the name of an image",
    "build_env": "NAME=VALUE pairs",
    "secrets": "NAME=REFERENCE pairs",
    "reference": "a reference such as env://NAME or file://PATH",
    "text": "one name",
    "list": "names",
    "switch": "true or false",
    "seconds": "a number of seconds above 0",
    "count": "a number of 1 or more",
    "folder": "the path of a folder",
    "file": "the path of a file",
}

_PAIR = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)

# What stands for the value in --help, where the kind says too little.
_METAVARS = {
    "builder_image": "IMAGE",
    "runtime_image": "IMAGE",
    "profile": "PROFILE",
    "target": "TRIPLE",
    "build_env": "NAME=VALUE",
    "secrets": "NAME=REFERENCE",
    "ssh_agent": "SOCKET",
    "source_excludes": "PATTERN",
    "source_includes": "PATH",
    "tests_alone": "PATTERN",
    "cache_from": "PLACE",
    "cache_to": "PLACE",
    "text": "NAME",
    "list": "NAME",
    "count": "NUMBER",
}

# The groups of --help; what is in none of them is about the build.
_TESTS = frozenset(
    {
        "collect_rust_tests",
        "ignored_tests",
        "test_timeout",
        "test_packages",
        "test_excludes",
        "test_process",
        "test_threads",
        "tests_alone",
    }
)
_REPORTS = frozenset({"show_warnings", "gitlab_report", "html_report", "shell_on_failure"})
_ENGINE = frozenset({"connect_timeout", "on_missing_engine"})

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True)
class Setting:
    """One setting: its name in all three places, how its value is read, and what it does."""

    name: str
    kind: Kind
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()
    old_name: str | None = None

    @property
    def takes(self) -> str:
        """What its value must be."""
        return _TAKES.get(self.name) or _TAKES.get(self.kind) or " or ".join(self.choices)

    @property
    def metavar(self) -> str:
        """What stands for its value in --help."""
        if self.choices:
            return f"{{{','.join(self.choices)}}}"
        return _METAVARS.get(self.name) or _METAVARS.get(self.kind) or self.kind.upper()

    @property
    def group(self) -> str:
        """The title of its group in --help."""
        groups = {"Rust tests": _TESTS, "reports": _REPORTS, "the engine": _ENGINE}
        title = next((title for title, names in groups.items() if self.name in names), "builds")
        return f"Rust builds with Dagger: {title}"

    @property
    def help_with_default(self) -> str:
        """What it does, and the value it has where none is given."""
        if "(default" in self.help or self.kind in {"list", "switch"} or self.default in (None, Path()):
            return self.help
        return f"{self.help} (default: {self.default})"

    @property
    def option(self) -> str:
        """The command line option."""
        return f"--dagger-rust-{self.name.replace('_', '-')}"

    @property
    def negation(self) -> str | None:
        """The command line option that turns a switch off, None for other settings."""
        if self.kind != "switch":
            return None
        name = self.name.removeprefix("no_") if self.name.startswith("no_") else f"no_{self.name}"
        return f"--dagger-rust-{name.replace('_', '-')}"

    @property
    def env(self) -> str:
        """The environment variable."""
        return f"PYTEST_DAGGER_RUST_{self.name.upper()}"

    @property
    def ini(self) -> str:
        """The ini option."""
        return f"dagger_rust_{self.name}"

    @property
    def is_secret(self) -> bool:
        """Whether its value may be a secret: no message has it, not even a part."""
        return self.name in {"build_env", "env", "secrets", "git_credentials"}

    @property
    def dest(self) -> str:
        """The attribute of the parsed command line."""
        return f"dagger_rust_{self.name}"

    @property
    def deprecated(self) -> Setting | None:
        """The setting under its old name, None if it never had another."""
        if self.old_name is None:
            return None
        return replace(self, name=self.old_name, old_name=None, help=f"deprecated: use {self.ini}")


SETTINGS: tuple[Setting, ...] = (
    Setting("workspace", "folder", "folder of the Cargo workspace, relative to rootdir", Path()),
    Setting("builder_image", "text", "image to build in; it needs cargo, rustc and a linker"),
    Setting("runtime_image", "text", "slim image to run the binaries in"),
    Setting(
        "packages", "list", "packages to build, like cargo's --package (default: cargo's default members)", ()
    ),
    Setting(
        "bins", "list", "binaries to build, like cargo's --bin (default: all binaries of the packages)", ()
    ),
    Setting("examples", "list", "examples to build, like cargo's --example", ()),
    Setting("features", "list", "features to activate, like cargo's --features", ()),
    Setting("all_features", "switch", "activate all features, like cargo's --all-features", default=False),
    Setting(
        "no_default_features",
        "switch",
        "do not activate default features, like cargo's --no-default-features",
        default=False,
    ),
    Setting("profile", "text", "cargo profile to build with", "dev"),
    Setting("target", "text", "target triple to build for (default: the builder image's)"),
    Setting("build_env", "list", "NAME=VALUE pairs for cargo, rustc and build scripts", (), old_name="env"),
    Setting(
        "build_network",
        "choice",
        "when builds may use the network: always, as with cargo, or only to fetch packages",
        "always",
        ("always", "fetch"),
    ),
    Setting("build_timeout", "seconds", "longest time a call of cargo may take, in seconds", LONGEST),
    Setting(
        "secrets", "list", "variables for fetching packages only, as NAME=env://OTHER or NAME=file://PATH", ()
    ),
    Setting(
        "git_credentials",
        "reference",
        "reference to lines such as https://user:token@host, for fetching packages only",
    ),
    Setting("ssh_agent", "text", "socket of an SSH agent for fetching packages only, as env://SSH_AUTH_SOCK"),
    Setting("locked", "switch", "fail if Cargo.lock is missing or out of date, like cargo's --locked"),
    Setting("offline", "switch", "build without network, like cargo's --offline", default=False),
    Setting("source_excludes", "list", "patterns of files and folders that no build needs", ()),
    Setting(
        "source_includes",
        "list",
        "files and folders beside the workspace that builds need, such as ../proto",
        (),
    ),
    Setting(
        "clear_caches",
        "switch",
        "empty the workspace's cache volumes first, and build everything again",
        default=False,
    ),
    Setting(
        "build_ahead",
        "switch",
        "begin the first build with the first test, while tests run that need no build",
        default=False,
    ),
    Setting(
        "write_lock",
        "switch",
        "write the Cargo.lock that cargo made or changed in the builder into the workspace",
        default=False,
    ),
    Setting(
        "cache_from", "list", "registry repositories and folders to take from what others have built", ()
    ),
    Setting("cache_to", "list", "registry repositories and folders to publish to what is built", ()),
    Setting(
        "cache_to_on_pull_requests",
        "switch",
        "publish also where a CI builds a pull request",
        default=False,
    ),
    Setting("show_warnings", "switch", "show the compiler's warnings at the end of the run", default=False),
    Setting("gitlab_report", "file", "write a GitLab code quality report to FILE", old_name="code_quality"),
    Setting("html_report", "file", "write an HTML build report to FILE", old_name="report"),
    Setting(
        "collect_rust_tests",
        "switch",
        "collect the workspace's Rust tests as pytest tests",
        default=False,
        old_name="tests",
    ),
    Setting(
        "ignored_tests",
        "choice",
        "what to do with #[ignore] tests: skip, include or only",
        "skip",
        ("skip", "include", "only"),
    ),
    Setting("test_timeout", "seconds", "longest time a Rust test may take, in seconds", 300),
    Setting(
        "test_packages",
        "list",
        "packages whose Rust tests are collected, as cargo's --package (default: cargo's default members)",
        (),
    ),
    Setting("test_excludes", "list", "packages whose Rust tests are left out, as cargo's --exclude", ()),
    Setting(
        "test_process",
        "choice",
        "what is a process of its own: each Rust test, or each test binary as with cargo test",
        "test",
        ("test", "binary"),
    ),
    Setting("test_threads", "count", "how many Rust tests run at once (default: as many as processors)"),
    Setting("tests_alone", "list", "patterns of node ids of Rust tests that run one at a time", ()),
    Setting(
        "shell_on_failure",
        "switch",
        "open a shell on this terminal when a test fails, in a container like its program's",
        default=False,
        old_name="shell",
    ),
    Setting("connect_timeout", "seconds", "longest time to wait for the Dagger engine, in seconds"),
    Setting(
        "on_missing_engine",
        "choice",
        "what tests do if no Dagger engine can be reached: fail or skip",
        "fail",
        ("fail", "skip"),
    ),
)


# The options of cargo, by the names of their settings.
_CARGO_OPTIONS = {
    "build_env" if field.name == "env" else field.name: field.name for field in fields(CargoOptions)
}


@dataclass(frozen=True)
class Settings:
    """The values in force; `sources` names where each value that is not a default comes from.

    `renamed` are the old names in use, each with the one that replaces it.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def cargo_options(self) -> CargoOptions:
        """Return the cargo options these settings describe."""
        return CargoOptions(
            **{option: _cargo_value(name, self[name]) for name, option in _CARGO_OPTIONS.items()}
        )

    def access(self) -> BuildAccess:
        """Return what builds may use besides their sources."""
        values: dict[str, Any] = {option: self[name] for name, option in _ACCESS.items()}
        values["secrets"] = references(self["secrets"])
        return BuildAccess(**values)


_ACCESS = {"build_network": "network", "build_timeout": "timeout"} | {
    name: name for name in ("secrets", "git_credentials", "ssh_agent")
}


def resolve(options: Mapping[str, Any], environ: Mapping[str, str], ini: Mapping[str, Any]) -> Settings:
    """Choose each setting's value: option over environment variable over ini over default.

    Raises ConfigurationError naming the setting, where it was set, and what it takes.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for setting in SETTINGS:
        value, source, old = _first_given(setting, options, environ, ini)
        renamed |= old
        values[setting.name] = setting.default if source is None else _read(setting, value, source)
        if source is not None:
            sources[setting.name] = source
    return Settings(values, sources, renamed)


def check_names(source: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigurationError for the first name that is not known, with the nearest that is.

    `source` says what kind of name it is: "option", "environment variable", "ini option".
    """
    known = sorted(known)
    for name in names:
        if name not in known:
            raise ConfigurationError(f"there is no {source} {name}. {nearest(name, known)}")


def _first_given(
    setting: Setting, options: Mapping[str, Any], environ: Mapping[str, str], ini: Mapping[str, Any]
) -> tuple[Any, str | None, dict[str, str]]:
    """Return the value that wins, where it was given, and the old name if it was given by that."""
    for values, place, prefix in ((options, "option", ""), (environ, "env", ""), (ini, "ini", "ini option ")):
        for name in filter(None, (setting, setting.deprecated)):
            # pytest and argparse speak of names, the environment has its own.
            value = values.get(name.env if place == "env" else name.name)
            if value is not None and (value != [] or place != "option"):
                here = prefix + getattr(name, place)
                return value, here, {} if name is setting else {here: getattr(setting, place)}
    return None, None, {}


def _read(setting: Setting, value: Any, source: str) -> Any:
    try:
        read = _READERS[setting.kind](setting, value)
        # What is handed to cargo is checked by the options themselves.
        if option := _CARGO_OPTIONS.get(setting.name):
            checked: dict[str, Any] = {option: _cargo_value(setting.name, read)}
            CargoOptions(**checked)
        if setting.name == "secrets":
            BuildAccess(secrets=references(read))
    except ConfigurationError as error:
        reason = str(error).removeprefix("CargoOptions: ")
        wrong = "" if setting.is_secret else f" is {value!r}"
        raise ConfigurationError(f"{source}{wrong}: {reason}") from None
    except (TypeError, ValueError):
        raise ConfigurationError(f"{source} {_wrong(setting, value)}; it takes {setting.takes}.") from None
    return read


def _wrong(setting: Setting, value: Any) -> str:
    if not str(value).strip():
        return "is empty"
    return "cannot be read" if setting.is_secret else f"is {value!r}"


def _cargo_value(name: str, value: Any) -> Any:
    return dict(item.split("=", 1) for item in value) if name == "build_env" else value


def _text(setting: Setting, value: Any) -> str:
    if not isinstance(value, str) or len(value.split()) != 1:
        raise ValueError(setting.takes)
    return value.strip()


def _path(setting: Setting, value: Any) -> Path:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError(setting.takes)
    return Path(value.strip())


def _switch(setting: Setting, value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(setting.takes)
    return word in _TRUE


def _list(setting: Setting, value: Any) -> tuple[str, ...]:
    # One text holds words as a shell splits them; the items of a list are what they are.
    items = cast("list[object]", value) if isinstance(value, list) else shlex.split(str(value))
    words = tuple(str(item) for item in items)
    if setting.is_secret:
        _check_pairs(words)
    return words


def _check_pairs(words: Iterable[str]) -> None:
    for place, word in enumerate(words, 1):
        # A name that cannot be one may be the rest of a value with a space in it, so it is not shown either.
        if not _PAIR.match(word):
            raise ConfigurationError(
                f"item {place} is not NAME=VALUE; put quotes around a value with spaces."
            )


def _seconds(setting: Setting, value: Any) -> float:
    seconds = float(value)
    if not 0 < seconds < float("inf"):
        raise ValueError(setting.takes)
    return seconds


def _count(setting: Setting, value: Any) -> int:
    count = int(value)
    if count < 1:
        raise ValueError(setting.takes)
    return count


def _choice(setting: Setting, value: Any) -> str:
    if value not in setting.choices:
        raise ValueError(setting.takes)
    return str(value)


def _reference(_: Setting, value: Any) -> str:
    check_reference("its value", str(value).strip())
    return str(value).strip()


_READERS: dict[Kind, Callable[[Setting, Any], Any]] = {
    "text": _text,
    "list": _list,
    "switch": _switch,
    "seconds": _seconds,
    "count": _count,
    "folder": _path,
    "file": _path,
    "choice": _choice,
    "reference": _reference,
}
