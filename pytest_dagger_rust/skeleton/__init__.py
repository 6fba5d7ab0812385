"""Reduces a workspace to the smallest tree that compiles the same dependencies."""
