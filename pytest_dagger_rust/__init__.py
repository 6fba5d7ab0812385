"""pytest fixtures that build a Cargo workspace with Dagger and run tests against the fresh binaries."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_dagger_rust.engine import Engine
    from pytest_dagger_rust.errors import (
        ConfigurationError,
        DaggerRustError,
        EngineUnavailable,
        RustBuildError,
        StaleBinaryError,
        WorkspaceError,
    )
    from pytest_dagger_rust.factory import RustBuildFactory
    from pytest_dagger_rust.messages import Artifact, Diagnostic, Span
    from pytest_dagger_rust.options import CargoOptions
    from pytest_dagger_rust.pipeline import build
    from pytest_dagger_rust.running import OutputMissingError, RunFailedError, RunResult, RunTimeoutError
    from pytest_dagger_rust.rust_build import BlockingRustBuild, BuildReport, RustBuild
    from pytest_dagger_rust.service import Service, ServiceError
    from pytest_dagger_rust.skeleton import Skeleton
    from pytest_dagger_rust.wheels import Wheel
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
    "engine": ("Engine",),
    "errors": (
        "ConfigurationError",
        "DaggerRustError",
        "EngineUnavailable",
        "RustBuildError",
        "StaleBinaryError",
        "WorkspaceError",
    ),
    "factory": ("RustBuildFactory",),
    "messages": ("Artifact", "Diagnostic", "Span"),
    "options": ("CargoOptions",),
    "pipeline": ("build",),
    "running": ("OutputMissingError", "RunFailedError", "RunResult", "RunTimeoutError"),
    "rust_build": ("BlockingRustBuild", "BuildReport", "RustBuild"),
    "service": ("Service", "ServiceError"),
    "skeleton": ("Skeleton",),
    "wheels": ("Wheel",),
    "workspace": ("Package", "RustWorkspace", "Target"),
}


def __getattr__(name: str) -> Any:
    # Every pytest run imports this package, and most runs use none of it: names are loaded on first use.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
