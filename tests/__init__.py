"""A package, so that tests, child programs and benchmarks import `tests.support` and `tests.bench` by name."""
