"""pytest fixtures that build a Cargo workspace with Dagger and run tests against the fresh binaries."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_dagger_rust.builds.messages import Artifact, Diagnostic, Span
    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.builds.pipeline import build
    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.errors import (
        ConfigurationError,
        DaggerRustError,
        EngineUnavailable,
        RustBuildError,
        StaleBinaryError,
        WorkspaceError,
    )
    from pytest_dagger_rust.factory import RustBuildFactory
    from pytest_dagger_rust.run.running import OutputMissingError, RunFailedError, RunResult, RunTimeoutError
    from pytest_dagger_rust.run.service import Service, ServiceError
    from pytest_dagger_rust.rust_build import BlockingRustBuild, BuildReport, RustBuild
    from pytest_dagger_rust.skeleton.skeleton import Skeleton
    from pytest_dagger_rust.wheels.wheel import Wheel
    from pytest_dagger_rust.workspace import Package, RustWorkspace, Target

__all__ = [
    "Artifact",
    "BlockingRustBuild",
    "BuildReport",
    "CargoOptions",
    "ConfigurationError",
    "DaggerRustError",
    "Diagnostic",
    "Engine",
    "EngineUnavailable",
    "OutputMissingError",
    "Package",
    "RunFailedError",
    "RunResult",
    "RunTimeoutError",
    "RustBuild",
    "RustBuildError",
    "RustBuildFactory",
    "RustWorkspace",
    "Service",
    "ServiceError",
    "Skeleton",
    "Span",
    "StaleBinaryError",
    "Target",
    "Wheel",
    "WorkspaceError",
    "build",
]

_HOMES = {
    "engine.engine": ("Engine",),
    "errors": (
        "ConfigurationError",
        "DaggerRustError",
        "EngineUnavailable",
        "RustBuildError",
        "StaleBinaryError",
        "WorkspaceError",
    ),
    "factory": ("RustBuildFactory",),
    "builds.messages": ("Artifact", "Diagnostic", "Span"),
    "builds.options": ("CargoOptions",),
    "builds.pipeline": ("build",),
    "run.running": ("OutputMissingError", "RunFailedError", "RunResult", "RunTimeoutError"),
    "rust_build": ("BlockingRustBuild", "BuildReport", "RustBuild"),
    "run.service": ("Service", "ServiceError"),
    "skeleton.skeleton": ("Skeleton",),
    "wheels.wheel": ("Wheel",),
    "workspace": ("Package", "RustWorkspace", "Target"),
}


def __getattr__(name: str) -> Any:
    # Every pytest run imports this package, and most runs use none of it: names are loaded on first use.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
