"""The programs that run inside containers, and how they get there."""
