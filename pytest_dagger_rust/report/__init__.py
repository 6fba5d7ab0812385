"""Says what was built, in values, tables, a page and CI formats; no pytest."""
