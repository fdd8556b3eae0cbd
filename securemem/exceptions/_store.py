"""The exceptions of the key store."""

from __future__ import annotations

from securemem.exceptions._base import DecryptionError, SecureMemError, SystemRefusalError

__all__ = [
    "ForeignFileError",
    "KeyExistsError",
    "KeyNotFoundError",
    "KeyPolicyError",
    "KeyServiceError",
    "NewerFormatError",
    "NoKeyEncryptionKeyError",
    "StoreBusyError",
    "StoreExistsError",
    "StoreFileError",
    "StoreLockedError",
    "StoreTamperedError",
    "StoreTimerError",
    "WrongKeyEncryptionKeyError",
]


class KeyPolicyError(SecureMemError, PermissionError):
    """The policy of a key, or the state of its version, forbids what was asked; the message says which rule."""


class KeyServiceError(SecureMemError, ConnectionError):
    """The service or device that keeps a key-encryption key is away, or refuses: the message says which."""


class KeyNotFoundError(SecureMemError, KeyError):
    """The store has no key, or no opaque secret, of that name, or the key no such version."""

    def __str__(self) -> str:
        """Show the message as it is; KeyError would show it in quotes."""
        return Exception.__str__(self)


class KeyExistsError(SecureMemError, ValueError):
    """The store has a key or an opaque secret of that name already."""


class StoreLockedError(SecureMemError, RuntimeError):
    """The key store is locked; the message says since when and what unlocks it."""


class StoreBusyError(SecureMemError, RuntimeError):
    """A key store, or its file, cannot be used now: nothing was changed.

    A callback or signal handler was to change a store that its own thread is changing; other processes kept the file
    busy for too long; it is closed, or was in use when this process was forked.
    """


class StoreTimerError(SecureMemError, RuntimeError):
    """The thread for a key store's timers could not be started: the store was not opened, or not unlocked."""


class NoKeyEncryptionKeyError(SecureMemError, RuntimeError):
    """A store without a key-encryption key was to be locked: its keys would be lost."""


class WrongKeyEncryptionKeyError(DecryptionError):
    """The passphrase, or another key-encryption key, is not one that opens this store."""


class StoreTamperedError(SecureMemError, ValueError):
    """The file of a key store, or of exported records, is damaged, or was changed by something without its key."""


class ForeignFileError(SecureMemError, ValueError):
    """The file is not a key store."""


class NewerFormatError(SecureMemError, ValueError):
    """A later version of securemem wrote the key store, in a format that this one does not know."""


class StoreExistsError(SecureMemError, FileExistsError):
    """There is a file at the path where a key store was to be made."""


class StoreFileError(SystemRefusalError):
    """The file of a key store cannot be read or written: the disk is full, for example.

    A change is whole, or was not made; the store shows which.
    """
