"""Turns a workspace into proved artifacts and a report; knows no test and no run."""
