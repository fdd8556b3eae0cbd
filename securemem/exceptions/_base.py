"""The exceptions that others derive from."""

from __future__ import annotations

__all__ = ["DecryptionError", "SecureMemError", "SystemRefusalError"]


class SecureMemError(Exception):
    """The base of every exception of securemem."""


class SystemRefusalError(SecureMemError, OSError):
    """The kernel refused a system call; `errno` and `strerror` say how."""


class DecryptionError(SecureMemError, ValueError):
    """A ciphertext was not decrypted: wrong key, nonce or associated data, or it was changed; it is not said which."""
