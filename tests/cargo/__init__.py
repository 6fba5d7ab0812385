"""Tests of the model of Cargo workspaces and of their skeletons."""
