"""Every exception and warning that securemem raises on purpose.

::

    SecureMemError
    ├── ForkedError (RuntimeError)            made before a fork, used in the child
    ├── WipedError (ValueError)               used after it was wiped
    ├── ExportedError (BufferError)           a view is still open
    ├── FrozenError (BufferError)             writable view of a frozen secret
    ├── SizeError (ValueError)                a size that no secret can have
    ├── SourceError (BufferError)             a source buffer that cannot be read in place, or not wiped
    ├── InvalidArgumentError (ValueError)     an arena policy that does not exist
    ├── LockFlagsError (ValueError)           mlockall() flags that ask for nothing
    ├── HardLimitError (PermissionError)      a soft limit above the hard one
    ├── CryptoHeapError (RuntimeError)        the crypto heap is off, or cannot be turned on here
    ├── ConfigurationError (RuntimeError)     configure() after the first use
    ├── ArenaClosedError (ValueError)         a secret asked of a closed arena
    ├── DecryptionError (ValueError)          a ciphertext that does not decrypt, whatever the reason
    │   └── WrongKeyEncryptionKeyError        ... a store's root key: a wrong passphrase
    ├── VerificationError (ValueError)        a tag or signature that does not fit
    ├── PeerKeyError (ValueError)             a public key that no secret can be agreed with
    ├── KeyExhaustedError (RuntimeError)      a key encrypted as many messages as it may
    ├── KeyPolicyError (PermissionError)      a use that the key's policy or state forbids
    ├── KeyServiceError (ConnectionError)     the service that keeps a key-encryption key is away, or refuses
    ├── KeyNotFoundError (KeyError)           a name that the store does not have
    ├── KeyExistsError (ValueError)           a name that the store has already
    ├── StoreLockedError (RuntimeError)       a locked store was used
    ├── StoreBusyError (RuntimeError)         a change of a store within a change by the same thread
    ├── StoreTimerError (RuntimeError)        no thread for the timers of a store, which stays locked
    ├── NoKeyEncryptionKeyError (RuntimeError) a store that nothing could unlock was to be locked
    ├── StoreTamperedError (ValueError)       a store's file is damaged, or was changed without its root key
    ├── ForeignFileError (ValueError)         a file that is not a store
    ├── NewerFormatError (ValueError)         a store in a later format
    ├── StoreExistsError (FileExistsError)    a file where a store was to be made
    ├── InputError (ValueError)               what came in cannot be used
    │   ├── EmptyInputError / InputTooLongError   ... nothing, or more than the limit
    │   └── InputEndedError (EOFError) / FormatError   ... it ended too early, or is not hex, base64, JSON
    ├── MissingSecretError (LookupError)      no such variable, credential or field
    ├── ExposedFileError (PermissionError)    a file that others may read or change
    ├── SystemRefusalError (OSError)          the kernel refused; errno says how
    │   ├── LockError                         ... to lock
    │   │   ├── LockRangeError (ValueError)   EINVAL: the range runs past the end of the address space
    │   │   ├── UnmappedError (ValueError)    ENOMEM: a page of the range does not exist or has no access
    │   │   ├── LockPopulateError             EAGAIN: pages could not be brought into RAM
    │   │   ├── LockInterruptedError          EINTR: a fatal signal came (InterruptedError)
    │   │   ├── LockUnsupportedError          ENOSYS: the kernel has no such call
    │   │   └── LockLostError                 verify() could not lock again what had lost its lock
    │   ├── ProtectionError                   ... another required protection
    │   ├── RandomError                       ... random bytes
    │   ├── StoreFileError                    ... to read or write a store's file
    │   ├── TransferError                     ... to open, read or write what a secret comes from or goes to
    │   │   └── MissingFileError (FileNotFoundError) / RefusedFileError (PermissionError) / TransferTimeoutError
    │   ├── TerminalError                     ... the terminal, or it went away
    │   ├── BackendUnavailableError           ... a kind of memory
    │   └── ScanRefusedError (PermissionError) ... to read another process
    └── CapacityError (MemoryError)           no room
        ├── ArenaFullError                    ... under the arena's max_bytes
        ├── LockLimitError                    ... under RLIMIT_MEMLOCK
        │   └── LockPermissionError           ... which is 0 (PermissionError: EPERM)
        ├── MappingLimitError                 ... under vm.max_map_count
        ├── StackLimitError                   ... on this thread's stack
        └── OutOfMemoryError                  ... in memory or address space

    CopyKeptWarning (RuntimeWarning)          a copy that a library was given could not be wiped
    LockWarning (RuntimeWarning)              lock="warn", and the kernel would not lock
    SecretTextWarning (UserWarning)           a secret was used as if it were text

A wrong type is Python's own TypeError. No message holds a byte of a secret.
"""

from __future__ import annotations

from securemem.exceptions._base import DecryptionError, SecureMemError, SystemRefusalError
from securemem.exceptions._store import (
    ForeignFileError,
    KeyExistsError,
    KeyNotFoundError,
    KeyPolicyError,
    KeyServiceError,
    NewerFormatError,
    NoKeyEncryptionKeyError,
    StoreBusyError,
    StoreExistsError,
    StoreFileError,
    StoreLockedError,
    StoreTamperedError,
    StoreTimerError,
    WrongKeyEncryptionKeyError,
)

__all__ = [
    "ArenaClosedError",
    "ArenaFullError",
    "BackendUnavailableError",
    "CapacityError",
    "ConfigurationError",
    "CopyKeptWarning",
    "CryptoHeapError",
    "DecryptionError",
    "EmptyInputError",
    "ExportedError",
    "ExposedFileError",
    "ForeignFileError",
    "ForkedError",
    "FormatError",
    "FrozenError",
    "HardLimitError",
    "InputEndedError",
    "InputError",
    "InputTooLongError",
    "InvalidArgumentError",
    "KeyExhaustedError",
    "KeyExistsError",
    "KeyNotFoundError",
    "KeyPolicyError",
    "KeyServiceError",
    "LockError",
    "LockFlagsError",
    "LockInterruptedError",
    "LockLimitError",
    "LockLostError",
    "LockPermissionError",
    "LockPopulateError",
    "LockRangeError",
    "LockUnsupportedError",
    "LockWarning",
    "MappingLimitError",
    "MissingFileError",
    "MissingSecretError",
    "NewerFormatError",
    "NoKeyEncryptionKeyError",
    "OutOfMemoryError",
    "PeerKeyError",
    "ProtectionError",
    "RandomError",
    "RefusedFileError",
    "ScanRefusedError",
    "SecretTextWarning",
    "SecureMemError",
    "SizeError",
    "SourceError",
    "StackLimitError",
    "StoreBusyError",
    "StoreExistsError",
    "StoreFileError",
    "StoreLockedError",
    "StoreTamperedError",
    "StoreTimerError",
    "SystemRefusalError",
    "TerminalError",
    "TransferError",
    "TransferTimeoutError",
    "UnmappedError",
    "VerificationError",
    "WipedError",
    "WrongKeyEncryptionKeyError",
]


class ForkedError(SecureMemError, RuntimeError):
    """A secret or arena of the parent process was used in a forked child, where its memory does not exist."""


class WipedError(SecureMemError, ValueError):
    """A secret was used after it was wiped, or after its wiping was asked for."""


class ExportedError(SecureMemError, BufferError):
    """A view of the secret is still open: release every memoryview and slice of it first."""


class FrozenError(SecureMemError, BufferError):
    """A writable view was asked of a frozen secret."""


class SizeError(SecureMemError, ValueError):
    """A size that no secret can have: zero, negative, or more than can be mapped."""


class SourceError(SecureMemError, BufferError):
    """A source buffer is not contiguous, or is read-only where it is to be wiped."""


class InvalidArgumentError(SecureMemError, ValueError):
    """An arena policy that does not exist, or a bound that no page fits in."""


class LockFlagsError(SecureMemError, ValueError):
    """mlockall() was asked for nothing, or only for the manner of it."""


class HardLimitError(SecureMemError, PermissionError):
    """RLIMIT_MEMLOCK's soft limit cannot be raised above its hard limit."""


class CryptoHeapError(SecureMemError, RuntimeError):
    """The crypto heap cannot be turned on in this process, or is off where it is needed; the message says why."""


class ConfigurationError(SecureMemError, RuntimeError):
    """The default arena was to be configured after its first use."""


class ArenaClosedError(SecureMemError, ValueError):
    """A secret was asked of an arena that is closed."""


class VerificationError(SecureMemError, ValueError):
    """A message authentication code or signature does not fit its message and key."""


class PeerKeyError(SecureMemError, ValueError):
    """A public key is of low order, so that the agreed secret would be zero whatever the private key."""


class KeyExhaustedError(SecureMemError, RuntimeError):
    """A key has encrypted as many messages as random nonces allow: use a new key."""


class LockError(SystemRefusalError):
    """The kernel refused to lock memory for another reason than the limit."""


class LockRangeError(LockError, ValueError):
    """The range of addresses to be locked runs past the end of the address space (EINVAL)."""


class UnmappedError(LockError, ValueError):
    """A page to be locked is not mapped, has no access, or lies past the end of its file (ENOMEM)."""


class LockPopulateError(LockError):
    """Some pages could not be brought into RAM (EAGAIN): there is not enough of it free."""


class LockInterruptedError(LockError, InterruptedError):
    """A fatal signal interrupted the call (EINTR)."""


class LockUnsupportedError(LockError):
    """The kernel does not have the call, or a filter forbids it (ENOSYS)."""


class LockLostError(LockError):
    """Pages that had lost their lock could not be locked again.

    Attribute: `unlocked`, bytes of them. They may be swapped out: wipe what they hold, or make room and verify again.
    """

    def __init__(self, error: int, message: str, unlocked: int) -> None:
        """Keep the figure beside the kernel's answer."""
        super().__init__(error, message)
        self.unlocked = unlocked

    def __reduce__(self) -> tuple[type[LockLostError], tuple[int, str, int]]:
        """Pickle by the arguments."""
        return type(self), (self.errno or 0, self.strerror or "", self.unlocked)


class ProtectionError(SystemRefusalError):
    """The kernel refused a protection that is required."""


class RandomError(SystemRefusalError):
    """The kernel gave no random bytes."""


class BackendUnavailableError(SystemRefusalError):
    """The kernel lacks this kind of memory, or has it disabled."""


class InputError(SecureMemError, ValueError):
    """What came in through a door cannot be used; the message says why. All that was read is wiped."""


class EmptyInputError(InputError):
    """There was nothing: a secret has at least one byte."""


class InputTooLongError(InputError):
    """More bytes came than the door was told to take."""


class InputEndedError(InputError, EOFError):
    """The other side ended before all had come, or the user ended the prompt (end-of-file)."""


class FormatError(InputError):
    """The text is not what it was said to be: hex, base64, JSON with a string at that place."""


class MissingSecretError(SecureMemError, LookupError):
    """There is no environment variable, credential or JSON field of that name."""


class ExposedFileError(SecureMemError, PermissionError):
    """Others than its owner may read or change the file, or another user owns it: it was not read."""


class TransferError(SystemRefusalError):
    """The kernel refused to open, read or write what a secret was to come from or go to."""


class MissingFileError(TransferError, FileNotFoundError):
    """There is no file at that path."""


class RefusedFileError(TransferError, PermissionError):
    """The process may not open, read or write that file."""


class TransferTimeoutError(TransferError, TimeoutError):
    """Nothing came in the time that was given."""


class TerminalError(SystemRefusalError):
    """The terminal cannot be used, is in use by another prompt, or went away."""


class ScanRefusedError(SystemRefusalError, PermissionError):
    """The kernel forbids to read the memory of another process."""


class CapacityError(SecureMemError, MemoryError):
    """There is no room for the secret; those that exist are untouched."""


class ArenaFullError(CapacityError):
    """The arena's own `max_bytes` is reached."""


class OutOfMemoryError(CapacityError):
    """The process has no memory or address space left, or too many mappings."""


class LockLimitError(CapacityError):
    """RLIMIT_MEMLOCK is reached.

    Attributes, in bytes: `limit` (the soft limit), `used` (locked by the whole process, as far as is known), `wanted`
    (asked for now). `of_user`: the limit is shared by all processes of the user, as it is for secret memory
    (memfd_secret) on some kernels; `used` is then this process's share.
    """

    def __init__(self, limit: int, used: int, wanted: int, *, of_user: bool = False) -> None:
        """Keep the figures and say how to raise the limit."""
        shared = "; all processes of this user share the limit" if of_user else ""
        super().__init__(
            f"cannot lock {wanted} bytes: the process has locked {used} of {limit} bytes (RLIMIT_MEMLOCK{shared}). "
            "Raise the limit: `ulimit -l KIB` in the shell, LimitMEMLOCK= in a systemd unit, "
            "--ulimit memlock=BYTES for a container; or wipe secrets no longer needed"
        )
        self.limit = limit
        self.used = used
        self.wanted = wanted
        self.of_user = of_user

    def __reduce__(self) -> tuple[type[LockLimitError], tuple[int, int, int], dict[str, bool]]:
        """Pickle by the three figures, which are the arguments, and whose limit it is."""
        return type(self), (self.limit, self.used, self.wanted), {"of_user": self.of_user}


class LockPermissionError(LockLimitError, PermissionError):
    """RLIMIT_MEMLOCK is 0 and the process lacks CAP_IPC_LOCK: it may lock nothing (EPERM)."""


class MappingLimitError(CapacityError):
    """Locking or unlocking part of a mapping would split it, and vm.max_map_count is reached (ENOMEM)."""


class StackLimitError(CapacityError):
    """The thread's stack has no room for what was to be reserved."""


class CopyKeptWarning(RuntimeWarning):
    """A copy of a secret, made for a library, could not be wiped: something else may have it still."""


class LockWarning(RuntimeWarning):
    """Secrets of an arena with lock="warn" are in memory that is not locked, and may be swapped out."""


class SecretTextWarning(UserWarning):
    """A secret was turned into text by str(), format() or %s, or compared with a str.

    The text is a description, such as "<SecureBytes: 20 bytes>", and never the secret: a program that sends it as a
    password does not notice otherwise. Pass the object itself to what takes bytes. `python -W error::UserWarning`, or
    a filter of the module `warnings`, makes it an exception.
    """
