"""Refuses what cargo refuses, with file and line."""
