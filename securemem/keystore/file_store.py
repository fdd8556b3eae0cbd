"""A key store that lasts: the same API over one file, which several processes may use at once."""

from __future__ import annotations

from securemem import crypto_heap as heap
from securemem._binding.operations import operate
from securemem.keystore import _changes, _durable, _whole, _wraps
from securemem.keystore._durable import DurableContents
from securemem.keystore._gate import Keeper
from securemem.keystore._timers import Timers
from securemem.keystore.audit import listener
from securemem.keystore.kek._checks import check_kek
from securemem.keystore.store import KeyStore
from securemem.storage import _paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from typing_extensions import Unpack

    from securemem._types import Scope
    from securemem.arenas import Arena
    from securemem.crypto_heap import Wanted as CryptoHeap
    from securemem.keystore.audit import Event
    from securemem.keystore.kek import KeyEncryptionKey, Rewrapping
    from securemem.keystore.store import Options
    from securemem.secure_bytes import SecureBytes

__all__ = ["FileKeyStore", "create"]


class FileKeyStore(KeyStore):
    """A KeyStore in a file, made by KeyStore.create() and KeyStore.open(); `with` closes it.

    Names, rules and keys are sealed in the file, and the set of them is authenticated: the documentation's page "Store
    format" has the construction. Each change lasts once its method returns. A change by another process is taken up by
    the next use. All that KeyStore raises, and StoreTamperedError where the file was changed without its root key,
    StoreFileError where it cannot be read or written, StoreBusyError where another process changes it for longer than
    60 seconds. After a fork while another thread was using the file, SQLite does not let the child open it: open() and
    unlock() raise StoreBusyError there. Do not open the file in this process in another way: closing it would drop the
    locks of all.
    """

    __slots__ = ()

    _contents: DurableContents

    def __init__(
        self,
        path: str | os.PathLike[str],
        kek: KeyEncryptionKey,
        *,
        arena: Arena | None = None,
        idle_timeout: float | None = None,
        absolute_timeout: float | None = None,
        audit: Callable[[Event], None] | None = None,
        log: bool = False,
        crypto_heap: CryptoHeap = "auto",
        at_least: int = 0,
    ) -> None:
        check_kek(kek)
        if not isinstance(at_least, int) or isinstance(at_least, bool):
            raise TypeError(f"at_least must be a generation, an int, not {type(at_least).__name__}")
        self._heap = heap._turn_on(crypto_heap)  # noqa: SLF001 - made for stores
        place, timers = _paths.absolute(path), Timers(idle_timeout, absolute_timeout)
        operate(0, self._begin, place, kek, arena, timers, listener(audit, log=log), at_least)

    def _begin(self, scope: Scope, *arguments: Any) -> None:
        self._contents = DurableContents(scope, *arguments)
        self._keeper = Keeper(self._contents.gate, self._contents.book.file.closing)
        _whole.leave_the_past(self._contents)

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._contents.book.file.path

    @property
    def generation(self) -> int:
        """How often the store was changed. Note it elsewhere, and open() tells an older copy of the file from it."""
        self._contents.refresh()
        return self._contents.book.seen.generation

    # Key-encryption keys

    @property
    def keks(self) -> tuple[str, ...]:
        """The labels of the key-encryption keys, the first one's is "first"."""
        self._contents.refresh()
        return tuple(label for label, _ in _wraps.authentic(self._contents).values())

    def add_kek(self, kek: KeyEncryptionKey, label: str) -> None:
        """Let one more key-encryption key open the store. label: 1 to 100 printable characters, not a secret.

        Raises KeyExistsError for a label that is taken, InvalidArgumentError for one that cannot be, and what
        kek.wrap() raises.
        """
        check_kek(kek)
        self._contents.add_kek(kek, label)

    def rewrap_kek(self, kek: Rewrapping, label: str) -> None:
        """Let a key service seal the root key anew for a label, by the newest version of the service's own key.

        kek: a Transit or AwsKms, or another key-encryption key with rewrap(). The root key is not in clear meanwhile,
        and no record is touched.

        Raises TypeError for a key-encryption key that cannot, KeyNotFoundError for a label that is not there, and what
        kek.rewrap() raises.
        """
        if not callable(getattr(kek, "rewrap", None)):
            raise TypeError(
                f"a {type(kek).__name__} cannot rewrap: add_kek() it under another label, then remove_kek() this one"
            )
        self._contents.rewrap_kek(kek, label)

    def remove_kek(self, label: str) -> None:
        """Let a key-encryption key open the store no more.

        Who copied the file before can still open that copy by it, and by the root key in it what is written later:
        rotate_root() ends that.

        Raises KeyNotFoundError for a label that is not there, NoKeyEncryptionKeyError for the last one.
        """
        self._contents.remove_kek(label)

    def rotate_root(self, kek: KeyEncryptionKey) -> None:
        """Seal every record anew under a new root key, which only this key-encryption key opens.

        Add the others again. Other processes' stores are locked by it. All records are in memory, sealed, meanwhile.
        Raises what kek.wrap() raises.
        """
        check_kek(kek)
        self._contents.rotate_root(kek)

    # The whole store

    def clear(self) -> None:
        """Destroy all keys and opaque secrets. StoreLockedError for a locked store, as the file has to be written."""
        self._contents.alone(_changes.clear, self._contents)

    def check(self) -> None:
        """Read every page and open every record; StoreTamperedError where one is not as it was written.

        Raises NewerFormatError for an entry that this version does not know.
        """
        self._contents.change("check", "", _whole.check, self._contents)

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the store as it is now into a new file, sealed as it is, that the same key-encryption keys open.

        The copy is marked: where it is opened, keys whose nonces are random 96-bit ones are rotated, as the same key
        in two stores could use a nonce twice. A copy made by other means cannot be told: do not use one beside its
        original.

        Raises StoreExistsError where there is a file, StoreLockedError for a locked store, and StoreFileError.
        """
        self._contents.change("backup", "", _whole.backup, self._contents, path)

    def close(self) -> None:
        """Lock the store, and close the file; messages that were reserved and not used can be used again.

        Closing again is no error; unlock() opens the file again.
        """
        self._contents.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close it."""
        self._contents.close()

    def __repr__(self) -> str:
        """Where it is, and whether it is locked; no bytes."""
        return f"<KeyStore {self.path}: {'locked' if self.locked else f'{len(self)} names'}>"


class _Made:
    """Opens the store that was made with its root key, as a passphrase is wiped by the making."""

    def __init__(self, root: SecureBytes) -> None:
        self._root = root

    def wrap(self, key: SecureBytes, context: bytes) -> bytes:
        """Refuse: it is for one opening."""
        raise NotImplementedError

    def unwrap(self, wrapped: bytes, context: bytes) -> SecureBytes:  # noqa: ARG002 - the protocol's
        """The root key."""
        return self._root


def create(path: str | os.PathLike[str], kek: KeyEncryptionKey, **options: Unpack[Options]) -> FileKeyStore:
    """Make a store in a new file, and open it: see KeyStore.create()."""
    check_kek(kek)
    place = _paths.absolute(path)
    return FileKeyStore(place, _Made(_durable.create(place, kek, options.get("arena"))), **options)
