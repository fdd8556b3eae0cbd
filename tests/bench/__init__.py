"""The targets and what they are measured by: `python -m tests.bench.ratios`."""
