"""pytest fixtures that build a Cargo workspace with Dagger and run tests against the fresh binaries."""
