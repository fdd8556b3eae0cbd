"""How Sphinx builds these pages: `scripts/docs` calls it; a warning is an error there."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import securemem

project = "securemem"
author = "The securemem developers"
copyright = author  # noqa: A001 - the name that Sphinx reads
version = release = securemem.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "plain_docstrings", "root_pages"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_ext"]
nitpicky = False
autodoc_mock_imports = [
    *("requests", "httpx", "pydantic", "pydantic_core", "pydantic_settings", "nacl", "jwt", "itsdangerous", "flask"),
    *("psycopg", "redis", "boto3", "botocore", "argon2", "_argon2_cffi_bindings", "bcrypt", "keyring"),
    *("hvac", "pkcs11", "secretstorage", "jeepney", "tpm2_pytss"),
]  # the adapters' libraries need not be installed

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
autodoc_type_aliases = {"Buffer": "Buffer"}
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = "securemem"
html_show_sourcelink = False
html_static_path = ["_static"]
