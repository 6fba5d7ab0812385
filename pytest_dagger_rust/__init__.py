"""pytest fixtures that build a Cargo workspace with Dagger and run tests against the fresh binaries.

Only the names of this module are public; what lies in the packages below it may change at any time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_dagger_rust.builds.access import BuildAccess as BuildAccess
    from pytest_dagger_rust.builds.caches import CacheName as CacheName
    from pytest_dagger_rust.builds.caches import CacheState as CacheState
    from pytest_dagger_rust.builds.messages import Artifact as Artifact
    from pytest_dagger_rust.builds.options import CargoOptionChanges as CargoOptionChanges
    from pytest_dagger_rust.builds.options import CargoOptions as CargoOptions
    from pytest_dagger_rust.builds.report import BuildReport as BuildReport
    from pytest_dagger_rust.builds.timings import Timing as Timing
    from pytest_dagger_rust.diagnostics import Diagnostic as Diagnostic
    from pytest_dagger_rust.diagnostics import Level as Level
    from pytest_dagger_rust.diagnostics import Span as Span
    from pytest_dagger_rust.engine.engine import Engine as Engine
    from pytest_dagger_rust.errors import ConfigurationError as ConfigurationError
    from pytest_dagger_rust.errors import DaggerRustError as DaggerRustError
    from pytest_dagger_rust.errors import DeprecatedNameWarning as DeprecatedNameWarning
    from pytest_dagger_rust.errors import EngineUnavailable as EngineUnavailable
    from pytest_dagger_rust.errors import RustBuildError as RustBuildError
    from pytest_dagger_rust.errors import StaleBinaryError as StaleBinaryError
    from pytest_dagger_rust.errors import WorkspaceError as WorkspaceError
    from pytest_dagger_rust.factory import BlockingRustBuildFactory as BlockingRustBuildFactory
    from pytest_dagger_rust.factory import RustBuildFactory as RustBuildFactory
    from pytest_dagger_rust.manifests.packages import TargetKind as TargetKind
    from pytest_dagger_rust.plugin.marks import mark_rust_build as mark_rust_build
    from pytest_dagger_rust.run.blocking_service import BlockingService as BlockingService
    from pytest_dagger_rust.run.running import OutputMissingError as OutputMissingError
    from pytest_dagger_rust.run.running import RunFailedError as RunFailedError
    from pytest_dagger_rust.run.running import RunOptions as RunOptions
    from pytest_dagger_rust.run.running import RunResult as RunResult
    from pytest_dagger_rust.run.running import RunTimeoutError as RunTimeoutError
    from pytest_dagger_rust.run.sandbox import BlockingSandbox as BlockingSandbox
    from pytest_dagger_rust.run.sandbox import Sandbox as Sandbox
    from pytest_dagger_rust.run.service import Service as Service
    from pytest_dagger_rust.run.service import ServiceError as ServiceError
    from pytest_dagger_rust.run.service import ServiceOptions as ServiceOptions
    from pytest_dagger_rust.rust_build import BlockingRustBuild as BlockingRustBuild
    from pytest_dagger_rust.rust_build import RustBuild as RustBuild
    from pytest_dagger_rust.rust_build import build as build
    from pytest_dagger_rust.skeleton.skeleton import Skeleton as Skeleton
    from pytest_dagger_rust.wheels.wheel import Wheel as Wheel
    from pytest_dagger_rust.workspace import Package as Package
    from pytest_dagger_rust.workspace import RustWorkspace as RustWorkspace
    from pytest_dagger_rust.workspace import Target as Target

# Every public name and its module. Every pytest run imports this package and most runs use none of it, so a module is
# loaded when the first of its names is used. What type checkers see is above; a test compares the two.
_MODULES = {
    "Artifact": "builds.messages",
    "BlockingRustBuild": "rust_build",
    "BlockingRustBuildFactory": "factory",
    "BlockingSandbox": "run.sandbox",
    "BlockingService": "run.blocking_service",
    "BuildReport": "builds.report",
    "CacheName": "builds.caches",
    "CacheState": "builds.caches",
    "CargoOptionChanges": "builds.options",
    "BuildAccess": "builds.access",
    "CargoOptions": "builds.options",
    "ConfigurationError": "errors",
    "DaggerRustError": "errors",
    "DeprecatedNameWarning": "errors",
    "Diagnostic": "diagnostics",
    "Engine": "engine.engine",
    "EngineUnavailable": "errors",
    "Level": "diagnostics",
    "OutputMissingError": "run.running",
    "Package": "workspace",
    "RunFailedError": "run.running",
    "RunOptions": "run.running",
    "RunResult": "run.running",
    "RunTimeoutError": "run.running",
    "RustBuild": "rust_build",
    "RustBuildError": "errors",
    "RustBuildFactory": "factory",
    "RustWorkspace": "workspace",
    "Sandbox": "run.sandbox",
    "Service": "run.service",
    "ServiceError": "run.service",
    "ServiceOptions": "run.service",
    "Skeleton": "skeleton.skeleton",
    "Span": "diagnostics",
    "StaleBinaryError": "errors",
    "Target": "workspace",
    "TargetKind": "manifests.packages",
    "Timing": "builds.timings",
    "Wheel": "wheels.wheel",
    "WorkspaceError": "errors",
    "build": "rust_build",
    "mark_rust_build": "plugin.marks",
}

__all__ = ["__version__", *_MODULES]  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        # Imported only here: it loads the modules for sockets and mail, which most runs do not need.
        from importlib import metadata  # noqa: PLC0415

        value: Any = metadata.version("pytest-dagger-rust")
    elif name in _MODULES:
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    else:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
