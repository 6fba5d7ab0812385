"""Faults of every kind at any moment: the next run is right, unasked, and nothing is left behind."""
