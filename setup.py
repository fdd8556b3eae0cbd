"""Names the compiled module; everything else is in pyproject.toml."""

import setuptools

# Without build isolation nobody brings these, and older ones fail with a message that names neither.
NEEDS = "building needs setuptools 77 and cffi 2, or newer: pip install 'setuptools>=77' 'cffi>=2'"
LEAST = 77
if int(setuptools.__version__.partition(".")[0]) < LEAST:
    raise SystemExit(f"this is setuptools {setuptools.__version__}: {NEEDS}")
try:
    import cffi  # noqa: F401 - the build imports it later
except ImportError:
    raise SystemExit(f"cffi is not installed: {NEEDS}") from None

setuptools.setup(
    cffi_modules=["cffi_build/builder.py:ffibuilder"], options={"bdist_wheel": {"py_limited_api": "cp311"}}
)
