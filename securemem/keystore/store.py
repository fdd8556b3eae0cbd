"""KeyStore: keys and opaque secrets by their names, sealed under a root key, and a lock for all of them."""

from __future__ import annotations

from importlib import import_module

from securemem import crypto_heap as heap
from securemem._binding.memory import bytes_of
from securemem._binding.operations import operate
from securemem.exceptions import InvalidArgumentError, KeyExistsError, KeyNotFoundError, SizeError, SourceError
from securemem.keystore import _boxes, _changes, _codes, _renaming
from securemem.keystore._algorithms import algorithm_numbered, key_algorithm
from securemem.keystore._catalogue import LONGEST_SECRET, Catalogue
from securemem.keystore._contents import Contents
from securemem.keystore._details import check_keep, check_name
from securemem.keystore._gate import Keeper
from securemem.keystore._header import DESCRIPTOR, HEADER, KEY_ID, WRAPPED, not_decrypted
from securemem.keystore._stored import StoredKey
from securemem.keystore._timers import Timers
from securemem.keystore.audit import listener
from securemem.keystore.handle import KeyHandle, stored_key
from securemem.keystore.kek._checks import check_kek
from securemem.keystore.policy import Policy
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn, TypedDict

    from typing_extensions import Buffer, Unpack

    from securemem._types import Scope
    from securemem.arenas import Arena
    from securemem.crypto_heap import Wanted as CryptoHeap
    from securemem.keystore._algorithms import KeyAlgorithm, KeyAlgorithmName
    from securemem.keystore.audit import Event
    from securemem.keystore.file_store import FileKeyStore
    from securemem.keystore.kek import KeyEncryptionKey

    class Options(TypedDict, total=False):
        """What KeyStore takes besides a key-encryption key."""

        arena: Arena | None
        idle_timeout: float | None
        absolute_timeout: float | None
        audit: Callable[[Event], None] | None
        log: bool
        crypto_heap: CryptoHeap


__all__ = ["KeyStore"]

_USUAL = Policy()


class KeyStore(Catalogue):
    """Named keys that are used without being seen, and opaque secrets, such as passwords and tokens.

    Each lies sealed under the root key, in ordinary memory, and is opened into locked memory when it is used: keys stay
    open until the store is locked (at most 4,096 at a time), opaque secrets for one get().

    kek: the key-encryption key that wraps the root key, such as Passphrase(secret). It is used here, once, and not
        kept. Without one the store cannot be locked.
    arena: where the root key and open keys live; None: the default arena.
    idle_timeout, absolute_timeout: seconds after the last use, and after the making or unlocking, when the store locks
        itself, whether a call comes or not; those of suspend count (CLOCK_BOOTTIME; it is noticed up to a second
        after waking). They need a kek.
    audit: called with an Event after each use and change, in the thread that made it; what it raises is raised there.
    log: whether each also goes to the logger "securemem.keystore", successes as INFO and the rest as WARNING.
    crypto_heap: "auto" turns securemem.crypto_heap on where 1 MiB or more may be locked: ciphers are then kept ready
        between messages, in locked memory, until the store is locked, the key rotated, or another needs the room.
        Where it stays off, each message makes its own, and the property crypto_heap says why. "require" raises why
        instead, and LockLimitError at each use while it finds no room. "off" leaves it as it is.

    All methods may be called from several threads. Those that need a key in clear raise StoreLockedError while the
    store is locked, and CapacityError where no memory can be locked. In a forked child the store is locked, and the
    error says so: its keys stayed in the parent, and unlock() with the kek recovers them. A store without timers whose
    arena has fork="inherit" stays open there; sessions and streams end, and a key with a limit protects nothing there.

    Raises NoKeyEncryptionKeyError for timers without a kek, InvalidArgumentError for a timer that is not above 0, and
    what kek.wrap() raises; with crypto_heap="require" what crypto_heap.enable() raises.
    """

    __slots__ = ("__weakref__", "_contents", "_heap", "_keeper")

    def __init__(
        self,
        kek: KeyEncryptionKey | None = None,
        *,
        arena: Arena | None = None,
        idle_timeout: float | None = None,
        absolute_timeout: float | None = None,
        audit: Callable[[Event], None] | None = None,
        log: bool = False,
        crypto_heap: CryptoHeap = "auto",
    ) -> None:
        if kek is not None:
            check_kek(kek)
        timers = Timers(idle_timeout, absolute_timeout)
        self._heap = heap._turn_on(crypto_heap)  # noqa: SLF001 - made for this
        operate(0, self._begin, kek, arena, timers, listener(audit, log=log))

    def _begin(self, scope: Scope, *arguments: Any) -> None:
        self._contents = Contents(scope, *arguments)
        self._keeper = Keeper(self._contents.gate)

    @staticmethod
    def create(path: str | os.PathLike[str], kek: KeyEncryptionKey, **options: Unpack[Options]) -> FileKeyStore:
        """Make a store in a new file, of mode 0600, and open it; the options are those of KeyStore itself.

        Raises StoreExistsError where there is a file, ExposedFileError where other users may change its directory,
        MissingFileError where there is no directory, StoreFileError, and what kek.wrap() raises.
        """
        make: Callable[..., FileKeyStore] = import_module("securemem.keystore.file_store").create
        return make(path, kek, **options)  # in no local of a kept traceback

    @staticmethod
    def open(
        path: str | os.PathLike[str], kek: KeyEncryptionKey, *, at_least: int = 0, **options: Unpack[Options]
    ) -> FileKeyStore:
        """Open the store in a file. at_least: a generation that was noted elsewhere; an older one is refused.

        Raises WrongKeyEncryptionKeyError (a wrong passphrase), StoreTamperedError, ForeignFileError for what is no
        store, NewerFormatError, MissingFileError, ExposedFileError where other users may read or replace it,
        StoreFileError; the file is then left as it was.
        """
        make: Callable[..., FileKeyStore] = import_module("securemem.keystore.file_store").FileKeyStore
        return make(path, kek, at_least=at_least, **options)  # in no local of a kept traceback

    # Keys

    def generate(
        self, name: str, algorithm: KeyAlgorithmName = "KC-XAES-256-GCM", policy: Policy = _USUAL
    ) -> KeyHandle:
        """A new random key.

        Raises InvalidArgumentError for a name or algorithm that cannot be, or a policy that does not fit the algorithm,
        and KeyExistsError for a name that is taken; so do all that make keys.
        """
        check_name(name)
        return self._handle(
            self._contents.change("generate", name, self._generate, name, key_algorithm(algorithm), _checked(policy))
        )

    def _handle(self, key: StoredKey) -> KeyHandle:
        return KeyHandle(key, self._keeper)

    def _generate(self, name: str, algorithm: KeyAlgorithm, policy: Policy) -> StoredKey:
        secret = algorithm.new_key(self._contents.arena)
        return _changes.create_from(self._contents, name, algorithm, policy, secret, None)

    def import_key(
        self,
        name: str,
        algorithm: KeyAlgorithmName,
        secret: SecureBytes | Buffer,
        policy: Policy = _USUAL,
        *,
        key_id: bytes | None = None,
    ) -> KeyHandle:
        """A key from outside: a SecureBytes, which is taken, or a writable buffer; both are wiped once it is sealed.

        key_id: 16 bytes, where boxes are to be read, or made, that other stores share; None: new random ones.

        Raises SizeError for a key or key_id of another size, SourceError for a buffer that cannot be wiped; what was
        given is then left as it was.
        """
        check_name(name)
        chosen = key_algorithm(algorithm)
        _check_key_id(key_id)
        return self._handle(
            self._contents.change("import_key", name, self._import, name, chosen, secret, _checked(policy), key_id)
        )

    def _import(
        self, name: str, algorithm: KeyAlgorithm, secret: SecureBytes | Buffer, policy: Policy, key_id: bytes | None
    ) -> StoredKey:
        self._check_free(name)
        policy.for_algorithm(algorithm)
        _changes.check_size(algorithm, _size(secret))
        taken = self._copied(secret)
        return _changes.create(self._contents, name, algorithm, policy, taken, key_id, secret)

    def _copied(self, secret: SecureBytes | Buffer) -> SecureBytes:
        """The secret itself, or a copy of that in a writable buffer, which the caller wipes."""
        if isinstance(secret, SecureBytes):
            return secret
        if memoryview(secret).readonly:
            raise SourceError(
                "the buffer must be writable, as it is wiped: copy it into a bytearray or SecureBytes first"
            )
        return SecureBytes.copy_of(secret, arena=self._contents.arena)

    def derive(
        self,
        name: str,
        algorithm: KeyAlgorithmName,
        policy: Policy = _USUAL,
        *,
        source: KeyHandle,
        context: bytes = b"",
    ) -> KeyHandle:
        """A key from another one, of this or another store, for HKDF-SHA-256, by HKDF.

        The same source, algorithm and context give the same key with the same key id, whatever its name.
        """
        check_name(name)
        chosen = key_algorithm(algorithm)
        self._check_free(name)
        _checked(policy).for_algorithm(chosen)
        if chosen.generate is not None:
            raise InvalidArgumentError(
                f"a key for {algorithm} is more than random bytes, and cannot be derived: generate() it"
            )
        info = b"securemem derive 1" + bytes((chosen.number,)) + context
        return self._handle(operate(0, self._derive, name, chosen, policy, stored_key(source), info))

    def _derive(
        self, _scope: Scope, name: str, algorithm: KeyAlgorithm, policy: Policy, source: StoredKey, info: bytes
    ) -> StoredKey:
        contents = self._contents
        both = source.use(_codes.derive, source.primary, info, KEY_ID + algorithm.size, contents.arena)
        with both[:KEY_ID].reveal() as view:
            key_id = bytes(view)
        return contents.change(
            "derive", name, _changes.create_from, contents, name, algorithm, policy, both[KEY_ID:], key_id
        )

    def unwrap(
        self, name: str, wrapped: Buffer, policy: Policy = _USUAL, *, source: KeyHandle, context: bytes = b""
    ) -> KeyHandle:
        """The key that source.wrap() wrapped under the same context: the algorithm and key id are those it had.

        Raises DecryptionError for another source or context, and for what was changed.
        """
        check_name(name)
        self._check_free(name)
        _checked(policy)
        plain = bytes_of(wrapped, "the wrapped key")
        return self._handle(operate(0, self._unwrap, name, plain, policy, stored_key(source), context))

    def _unwrap(
        self, _scope: Scope, name: str, wrapped: bytes, policy: Policy, source: StoredKey, context: bytes
    ) -> StoredKey:
        contents, key_id = self._contents, wrapped[HEADER + 1 : HEADER + DESCRIPTOR]
        version = source.find(wrapped[:HEADER], WRAPPED)
        if version is None or len(key_id) != KEY_ID:
            source.refuse_box("unwrap")
        secret = source.use(_boxes.unwrap, version, wrapped, context)
        chosen = algorithm_numbered(wrapped[HEADER])  # authentic only from here on
        if chosen is None or not chosen.least <= len(secret) <= chosen.most:
            raise not_decrypted()
        return contents.change("unwrap", name, _changes.create_from, contents, name, chosen, policy, secret, key_id)

    def _check_free(self, name: str) -> None:
        if name in self._contents.entries:
            raise KeyExistsError(f"the store has {name!r} already: delete it first, or rotate the key")

    def __getitem__(self, name: str) -> KeyHandle:
        """The handle of a key; can be had of a locked store too. KeyNotFoundError where there is none of that name."""
        found = self._contents.entries.get(name)
        if isinstance(found, StoredKey):
            return self._handle(found)
        hint = " it is an opaque secret: get() it" if found is not None else ""
        raise KeyNotFoundError(f"the store has no key {name!r}{':' if hint else ''}{hint}")

    # Opaque secrets

    def put(self, name: str, secret: SecureBytes | Buffer, *, keep: int | None = None) -> None:
        """Keep an opaque secret of 1 to 2**20 bytes, in the place of one of that name.

        It is taken, or wiped, as by import_key(). keep: how many former values stay, 0 to 20, for history() and
        get(former=…); None: as many as were to stay before, none at first.

        Raises KeyExistsError where the name is a key's, SizeError for another size.
        """
        check_name(name)
        if keep is not None:
            check_keep(keep)
        self._contents.change("put", name, self._put, name, secret, keep)

    def _put(self, name: str, secret: SecureBytes | Buffer, keep: int | None) -> None:
        if isinstance(self._contents.entries.get(name), StoredKey):
            raise KeyExistsError(f"{name!r} is a key: choose another name for the secret")
        if not 0 < _size(secret) <= LONGEST_SECRET:
            raise SizeError(f"an opaque secret has 1 to {LONGEST_SECRET} bytes")
        _changes.put(self._contents, name, self._copied(secret), secret, keep)

    def get(self, name: str, *, former: int = 0, arena: Arena | None = None) -> SecureBytes:
        """A copy of an opaque secret, in the given arena or the store's; KeyNotFoundError where there is none.

        former: 0 for the value, 1 for the one before, as far back as history() goes.
        """
        if former:
            return self._contents.run("get", name, _renaming.former, self._contents, name, former, arena)
        return self._contents.run("get", name, self._contents.get, name, arena)

    # All of them

    def __contains__(self, name: object) -> bool:
        """Whether there is a key or an opaque secret of that name."""
        return name in self._contents.entries

    def __iter__(self) -> Iterator[str]:
        """The names of keys and opaque secrets, as they are now, in the order of their making."""
        return iter(tuple(self._contents.entries))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._contents.entries)

    def __bool__(self) -> bool:
        """True: an empty store is a store."""
        return True

    def delete(self, name: str) -> None:
        """Destroy all versions of a key, or an opaque secret, and forget its name; KeyNotFoundError where it is not."""
        self._contents.change("delete", name, _changes.delete, self._contents, name)

    def clear(self) -> None:
        """Destroy all keys and opaque secrets, of a locked store too."""
        self._contents.gate.change_locked_too(_changes.clear, self._contents)

    # The lock

    @property
    def locked(self) -> bool:
        """Whether the store is locked."""
        return self._contents.locked

    def lock(self) -> None:
        """End all sessions and streams, and wipe every key in clear, the root key too; locking again is no error.

        Waits for the uses that go on in other threads. Raises NoKeyEncryptionKeyError where there is no kek, as the
        keys would be lost.
        """
        self._contents.lock()

    def unlock(self, kek: KeyEncryptionKey) -> None:
        """Recover the root key, and start the timers anew.

        Raises DecryptionError for a wrong kek, NoKeyEncryptionKeyError for a store without one, and what kek.unwrap()
        raises. A Passphrase is wiped, whether right or wrong.
        """
        check_kek(kek)
        self._contents.unlock(kek)

    def change_kek(self, kek: KeyEncryptionKey) -> None:
        """Wrap the root key by another key-encryption key, or a first one; from then on only that unlocks."""
        check_kek(kek)
        self._contents.change_kek(kek)

    @property
    def crypto_heap(self) -> str:
        """Whether the crypto heap is on: "on", or why it is off, as a sentence."""
        return heap._why_off(self._heap) or "on"  # noqa: SLF001 - the same

    def __repr__(self) -> str:
        """How many keys, and whether it is locked; no bytes."""
        return f"<KeyStore: {len(self)} names, {'locked' if self.locked else 'unlocked'}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a KeyStore cannot be pickled or copied: its root key is in this process only")


def _check_key_id(key_id: bytes | None) -> None:
    if key_id is None:
        return
    if not isinstance(key_id, bytes):
        raise TypeError(f"key_id must be bytes or None, not {type(key_id).__name__}")
    if len(key_id) != KEY_ID:
        raise SizeError(f"a key id has {KEY_ID} bytes, not {len(key_id)}")


def _checked(policy: Policy) -> Policy:
    if not isinstance(policy, Policy):
        raise TypeError(f"policy must be a Policy, not {type(policy).__name__}")
    return policy


def _size(secret: SecureBytes | Buffer) -> int:
    if isinstance(secret, str):
        raise TypeError(
            "a secret must be a SecureBytes or a writable buffer, not str, which cannot be wiped: "
            "SecureBytes.take(bytearray(...)) makes one"
        )
    return len(secret) if isinstance(secret, SecureBytes) else memoryview(secret).nbytes
