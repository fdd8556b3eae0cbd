"""Names the compiled module; everything else is in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["cffi_build/builder.py:ffibuilder"], options={"bdist_wheel": {"py_limited_api": "cp311"}})
