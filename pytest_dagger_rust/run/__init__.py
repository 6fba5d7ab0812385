"""Runs what was built: once, as a service, as a shell."""
