"""Makes wheels of PyO3 crates."""
