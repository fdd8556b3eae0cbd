"""A package for the sake of `python -m tests.bench.ratios`; ordinary test modules are not part of it."""
