"""Tests of wheels that need no engine."""
