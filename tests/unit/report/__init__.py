"""Tests of what is said about builds, in values and tables."""
