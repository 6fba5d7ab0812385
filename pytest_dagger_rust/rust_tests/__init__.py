"""Builds, lists, runs and reads the workspace's own tests; no pytest."""
