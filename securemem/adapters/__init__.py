"""Ways for other libraries to use a secret that stays in locked memory: a module for each library, imported by name.

`securemem.adapters.hmac`, `.ssl`, `.smtplib` and `.logging` are for the standard library. `.requests`, `.httpx`,
`.pydantic`, `.pydantic_settings`, `.nacl`, `.jwt`, `.itsdangerous`, `.flask`, `.psycopg`, `.redis`, `.boto3`, `.argon2`
and `.bcrypt` need the package of that name (`pip install 'securemem[requests]'`; for `.argon2` the extra is
argon2-cffi). Two are for a key store: `.keyring` lets it serve the package of that name, `.logind` locks it with the
session and before sleep.
"""

from __future__ import annotations

__all__: list[str] = []
