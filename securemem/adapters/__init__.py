"""Ways for other libraries to use a secret that stays in locked memory: a module for each library, imported by name.

`securemem.adapters.hmac`, `.ssl` and `.logging` are for the standard library. `.requests`, `.httpx`, `.pydantic`,
`.pydantic_settings`, `.nacl`, `.jwt`, `.itsdangerous`, `.flask` and `.psycopg` need the package of that name
(`pip install 'securemem[requests]'`).
"""

from __future__ import annotations

__all__: list[str] = []
