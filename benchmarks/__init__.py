"""Timings of the plugin, side by side with what users would do without it."""
