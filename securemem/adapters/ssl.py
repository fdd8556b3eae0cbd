"""Private keys for `ssl`, from locked memory."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from securemem._binding.operations import operate
from securemem.doors import as_file, with_bytes

if TYPE_CHECKING:
    import ssl

    from securemem._types import Scope
    from securemem.secure_bytes import SecureBytes

__all__ = ["load_cert_chain"]

_DEPTH = 64 * 1024


def _load_path(
    context: ssl.SSLContext,
    certificate: str | os.PathLike[str],
    path: str | os.PathLike[str],
    password: SecureBytes | None,
) -> None:
    if password is None:
        context.load_cert_chain(certificate, path, password=_no_password)
    else:  # a partial is no frame that an error could keep with the password in it
        with_bytes(password, partial(context.load_cert_chain, certificate, path))


def _load(
    scope: Scope,  # noqa: ARG001 - operate's work gets one
    context: ssl.SSLContext,
    certificate: str | os.PathLike[str],
    key: SecureBytes | str | os.PathLike[str],
    password: SecureBytes | None,
) -> None:
    if isinstance(key, str | os.PathLike):
        _load_path(context, certificate, key, password)
        return
    with as_file(key) as file:
        _load_path(context, certificate, os.fspath(file), password)


def _no_password() -> str:
    """Keep OpenSSL from asking at the terminal."""
    return ""


def load_cert_chain(
    context: ssl.SSLContext,
    certificate: str | os.PathLike[str],
    key: SecureBytes | str | os.PathLike[str],
    password: SecureBytes | None = None,
) -> None:
    """Load a certificate and its private key into an SSL context, as SSLContext.load_cert_chain does.

    certificate: path of the certificates, in PEM. key: the private key, in PEM; OpenSSL reads it from a file that is
    only in memory, and wiped afterwards. Or the path of a file, for a key that is encrypted there. password: that of
    the key, if it is encrypted; ssl gets a copy, which is wiped, and makes one of its own, which it frees.

    OpenSSL keeps the key in its own memory for as long as the context lives: that cannot be helped from outside of it.

    Raises ssl.SSLError, what as_file raises, and WipedError. Source: SSL_CTX_use_PrivateKey_file(3).
    """
    operate(_DEPTH, _load, context, certificate, key, password)
