"""Holds one session with the Dagger engine for any thread and event loop."""
