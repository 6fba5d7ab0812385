"""The tests of pytest-dagger-rust, and the modules they share."""
