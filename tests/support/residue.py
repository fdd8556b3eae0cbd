"""The attacker of residue_child: inputs that it alone made up, and a scan at each look."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from securemem.scanning import forms_of, scan_process
from tests.support import programs
from tests.support.key_schedules import every_form_of
from tests.support.residue_child import CASES, derived

if TYPE_CHECKING:
    from collections.abc import Iterable

    from securemem.scanning import Needle

PATIENCE = 60
Encoding, Format = serialization.Encoding, serialization.PrivateFormat
PLAIN = serialization.NoEncryption()
SIZES = {"AES-128-GCM": 16, "AES-256-SIV encrypt": 64, "Ed448": 57, "X448": 56, "ML-KEM-768": 64, "AES-256-SIV": 48}


def _saved(name: str, key: Any) -> bytes:
    if "OpenSSH" in name and "load OpenSSH" in name:
        saved: bytes = key.private_bytes(Encoding.PEM, Format.OpenSSH, PLAIN)
    elif "load PEM" in name:
        saved = key.private_bytes(Encoding.PEM, Format.PKCS8, PLAIN)
    else:
        saved = key.private_bytes(Encoding.DER, Format.PKCS8, PLAIN)
    return saved


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def make_input(name: str) -> tuple[bytes, tuple[bytes, ...]]:
    """What a case is given, and what of it, or made from it, must not be found."""
    if name.startswith("RSA") and "plaintext" not in name:
        key: Any = rsa.generate_private_key(65537, 2048)
        numbers = key.private_numbers()
        return _saved(name, key), (_number(numbers.p), _number(numbers.q), _number(numbers.d))
    if (name.startswith("P-") and "load" in name) or "private_numbers" in name:
        key = ec.generate_private_key(ec.SECP256R1() if name.startswith("P-256") else ec.SECP384R1())
        return _saved(name, key), (_number(key.private_numbers().private_value),)
    size = next((size for start, size in SIZES.items() if name.startswith(start)), 32)
    secret = os.urandom(size)
    if name == "P-256 derive_private_key":
        secret = b"\x7f" + secret[1:]
    if name == "Fernet encrypt and decrypt, key":
        from base64 import urlsafe_b64encode

        return urlsafe_b64encode(secret), (secret[:16], secret[16:])
    if "result" in name:
        return secret, (derived(name, secret),)
    tells = "shared secret" in name or "generate" in name
    return secret, () if tells else (secret,)


def needles_of(secrets: Iterable[bytes]) -> tuple[Needle, ...]:
    """Every form of some secrets; of large numbers no key schedules."""
    found: dict[bytes, Needle] = {}
    for secret in secrets:
        for one in every_form_of(secret) if len(secret) <= 64 else forms_of(secret):
            found.setdefault(one.pattern, one)
    return tuple(found.values())


class Looks(NamedTuple):
    """Forms of the case's secrets outside locked memory, while its objects live and when they are gone."""

    alive: tuple[str, ...]
    gone: tuple[str, ...]


class Child:
    """A process of residue_child in a mode."""

    def __init__(self, mode: str, *, python: str = sys.executable, options: tuple[str, ...] = ()) -> None:
        (self._tell, tell), (self._say, say), (go_on, self._go_on), (hear, self._hear) = (os.pipe() for _ in range(4))
        theirs = (tell, say, go_on, hear)
        command = [python, *options, "-m", "tests.support.residue_child", mode, *map(str, theirs)]
        self.process = subprocess.Popen(command, pass_fds=theirs, stderr=subprocess.PIPE, env=programs.environment())
        for descriptor in theirs:
            os.close(descriptor)

    def _read(self, descriptor: int, size: int) -> bytes:
        heard = b""
        while len(heard) < size:
            ready, _, _ = select.select([descriptor], [], [], PATIENCE)
            part = os.read(descriptor, size - len(heard)) if ready else b""
            if not part:
                self.process.kill()
                assert self.process.stderr is not None
                raise AssertionError(f"the child ended or hangs: {self.process.stderr.read().decode()}")
            heard += part
        return heard

    def _look(self, needles: tuple[Needle, ...]) -> tuple[str, ...]:
        copies = scan_process(self.process.pid, needles)
        return tuple(f"{place.count} x {place.form} in {place.memory}" for place in copies.where if not place.locked)

    def do(self, name: str) -> Looks:
        """Let it do a case, and look twice."""
        given, secrets = make_input(name)
        os.write(self._hear, f"{name} {len(given)}\n".encode())
        os.write(self._hear, given)
        assert self._read(self._say, 6) == b"alive\n"
        if not secrets:
            secrets = (self._read(self._tell, int.from_bytes(self._read(self._tell, 4), "big")),)
        needles = needles_of(secrets)
        alive = self._look(needles)
        os.write(self._go_on, b".")
        assert self._read(self._say, 6) == b"gone!\n"
        gone = self._look(needles)
        os.write(self._go_on, b".")
        return Looks(alive, gone)

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        for descriptor in (self._tell, self._say, self._go_on, self._hear):
            os.close(descriptor)


NAMES = tuple(CASES)
