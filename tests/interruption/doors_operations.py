"""The doors and adapters, as the interruption driver runs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from securemem import SecureBytes, doors
from securemem.adapters.hmac import hmac_new
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.interruption import Attempt

VALUE = b"forty characters of a secret for a test!"


def _leftovers() -> int:
    """Files in memory that this process has open or mapped."""
    opened = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    maps = Path("/proc/self/maps").read_text(encoding="ascii", errors="replace")
    return sum("memfd:secret" in str(one) for one in opened) + maps.count("memfd:secret")


def _nothing_in_memory(attempt: Attempt) -> str | None:
    if attempt.error is None:
        return None
    return "a file in memory is left" if _leftovers() else None


def _from_file(name: str, use: Callable[[Path], object], data: bytes, *, least: int = 10) -> Operation:
    """A door that reads a file."""

    def make(folder: Path) -> Case:
        path = folder / "secret"
        path.write_bytes(data)
        path.chmod(0o600)
        return Case(lambda: use(path), folder=folder, files=frozenset({"secret"}))

    # Where memory is refused, os.fspath() says of a path that it is none.
    return Operation(name, make, least=least, refusals=(TypeError,))


def _on_a_secret(name: str, use: Callable[[SecureBytes], object], *, least: int = 5) -> Operation:
    """A use of a secret, which must be whole afterwards."""

    def make(_folder: Path) -> Case:
        secret = SecureBytes.copy_of(VALUE)

        def check(attempt: Attempt) -> str | None:
            return _nothing_in_memory(attempt) if secret == VALUE else "the secret changed"

        return Case(lambda: use(secret), [secret], check=check)

    return Operation(name, make, least=least)


def _env(_folder: Path) -> Case:
    os.environ["SECUREMEM_INTERRUPTED"] = VALUE.decode()

    def check(attempt: Attempt) -> str | None:
        there = os.environ.get("SECUREMEM_INTERRUPTED") == VALUE.decode()
        return "it returned, and the variable is there" if attempt.error is None and there else None

    return Case(lambda: doors.read_env("SECUREMEM_INTERRUPTED"), check=check)


OPERATIONS = [
    _from_file("doors.read_file", doors.read_file, VALUE),
    _from_file("doors.read_json_field", lambda path: doors.read_json_field(path, "/a"), b'{"a":"' + VALUE + b'"}'),
    _from_file("doors.read_credential", lambda path: doors.read_credential("secret", directory=path.parent), VALUE),
    Operation("doors.read_env", _env, least=10),
    _on_a_secret("doors.encode_hex", doors.encode_hex),
    _on_a_secret("doors.encode_base64", doors.encode_base64),
    _on_a_secret("doors.decode_hex", lambda secret: doors.decode_hex(doors.encode_hex(secret))),
    _on_a_secret("doors.split", lambda secret: doors.split(secret, b" ")),
    _on_a_secret("doors.strip", doors.strip),
    _on_a_secret("doors.concat", lambda secret: doors.concat(secret, b":", secret)),
    _on_a_secret("doors.as_file", lambda secret: doors.as_file(secret).close()),
    _on_a_secret("doors.run", lambda secret: doors.run(["true"], stdin=secret, secret_files={"X": secret}), least=100),
    _on_a_secret("doors.with_bytes", lambda secret: doors.with_bytes(secret, len)),
    _on_a_secret("adapters.hmac.hmac_new", lambda secret: hmac_new(secret, b"x", "sha256").digest(), least=500),
    Operation("doors.generate_password", lambda _folder: Case(doors.generate_password), least=20),
    Operation(
        "doors.generate_passphrase", lambda _folder: Case(lambda: doors.generate_passphrase(4, ["a", "b"])), least=50
    ),
]
