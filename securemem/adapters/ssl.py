"""Private keys for `ssl`, from locked memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from securemem._binding.memory import wipe
from securemem._binding.operations import operate
from securemem.doors import as_file

if TYPE_CHECKING:
    import ssl

    from securemem._types import Scope
    from securemem.secure_bytes import SecureBytes

__all__ = ["load_cert_chain"]

_DEPTH = 64 * 1024


def _load(
    scope: Scope,
    context: ssl.SSLContext,
    certificate: str | os.PathLike[str],
    key: SecureBytes,
    password: SecureBytes | None,
) -> None:
    with as_file(key) as file:
        if password is None:
            context.load_cert_chain(certificate, os.fspath(file), password=_no_password)
            return
        text = bytearray(scope.read(password, "the password"))
        try:
            context.load_cert_chain(certificate, os.fspath(file), password=text)
        finally:
            wipe(text)


def _no_password() -> str:
    """Keep OpenSSL from asking at the terminal."""
    return ""


def load_cert_chain(
    context: ssl.SSLContext,
    certificate: str | os.PathLike[str],
    key: SecureBytes,
    password: SecureBytes | None = None,
) -> None:
    """Load a certificate and its private key into an SSL context, as SSLContext.load_cert_chain does.

    certificate: path of the certificates, in PEM. key: the private key, in PEM; OpenSSL reads it from a file that is
    only in memory, and wiped afterwards. password: that of the key, if it is encrypted.

    OpenSSL keeps the key in its own memory for as long as the context lives: that cannot be helped from outside of it.

    Raises ssl.SSLError, what as_file raises, and WipedError. Source: SSL_CTX_use_PrivateKey_file(3).
    """
    operate(_DEPTH, _load, context, certificate, key, password)
