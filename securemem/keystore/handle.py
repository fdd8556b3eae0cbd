"""A KeyHandle names a key and never holds it: what it does is done where the key lies."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from securemem.crypto._workspace import bytes_view
from securemem.crypto.signing import ed25519_verify
from securemem.exceptions import KeyPolicyError, SizeError, VerificationError
from securemem.keystore import files, lifecycle, streams, work
from securemem.keystore.box import HEADER
from securemem.keystore.session import Session
from securemem.keystore.versions import State

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import NoReturn

    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.keystore.algorithms import KeyAlgorithmName
    from securemem.keystore.policy import Policy
    from securemem.keystore.vault import Vault
    from securemem.keystore.versions import Entry, Version, VersionInfo
    from securemem.secure_bytes import SecureBytes

    Progress = Callable[[int], None] | None

__all__ = ["KeyHandle"]


class KeyHandle:
    """A key of a store, by its name; had from `store[name]` or from what made the key.

    Every use raises StoreLockedError while the store is locked, KeyNotFoundError when the key was deleted,
    KeyPolicyError when the policy or the state of the version forbids it (it says which rule), KeyExhaustedError when
    the algorithm's nonces run out, and TypeError, WipedError or ForkedError when data cannot be read.

    context: bytes that say what the data is and for whom; the same are needed to read it. They are no secret, are not
    in the result, and are bound to it together with the key's id and algorithm.
    """

    __slots__ = ("_entry", "_vault")

    def __init__(self, vault: Vault, entry: Entry) -> None:
        self._vault = vault
        self._entry = entry

    # What it is

    @property
    def name(self) -> str:
        """The name."""
        return self._entry.name

    @property
    def algorithm(self) -> KeyAlgorithmName:
        """The name of the algorithm."""
        return self._entry.algorithm.name

    @property
    def policy(self) -> Policy:
        """The rules of the key."""
        return self._entry.policy

    @property
    def versions(self) -> tuple[VersionInfo, ...]:
        """All versions, the first first; can be asked of a locked store too."""
        return tuple(version.info() for version in self._entry.versions)

    def public_key(self, version: int | None = None) -> bytes:
        """The public key of the primary or the given version, 32 bytes; can be asked of a locked store too.

        Raises KeyPolicyError where there is none, KeyNotFoundError for a version that does not exist.
        """
        entry = self._entry
        found = entry.primary if version is None else entry.numbered(version)
        if entry.algorithm.public_key is None:
            raise KeyPolicyError(f"key {entry.name!r} has no public key: it is for {entry.algorithm.name}")
        if found is None or found.public is None:
            raise KeyPolicyError(f"key {entry.name!r} has no primary version: name one")
        return found.public

    # Encryption

    def encrypt(self, data: Buffer, context: bytes = b"") -> bytes:
        """Encrypt and authenticate data into a box, which only this key opens (docs/reference/box-format.md)."""
        return self._vault.use(self._entry, "encrypt", None, work.encrypt, data, context)  # type: ignore[no-any-return]  # what the work gives

    def encrypt_into(self, data: Buffer, out: Buffer, context: bytes = b"") -> None:
        """Encrypt into a writable buffer of exactly len(data) + overhead bytes, which must not overlap data.

        Raises SizeError for another size.
        """
        self._vault.use(self._entry, "encrypt", None, work.encrypt_into, data, (context, out))

    @property
    def overhead(self) -> int:
        """How many bytes a box has more than its plaintext. Raises KeyPolicyError for a key that makes no boxes."""
        cipher = self._entry.algorithm.cipher
        if cipher is None:
            raise KeyPolicyError(f"key {self.name!r} makes no boxes: it is for {self.algorithm}")
        return HEADER + cipher.nonce_size + cipher.overhead

    def _version_of(self, box: memoryview, operation: str = "decrypt") -> Version:
        """The version that made a box; DecryptionError where none of this key did."""
        head = bytes(box[:HEADER])
        version = self._entry.find(head)
        if version is None or head != version.header:
            self._vault.refuse_box(self._entry, operation)
        return version

    def decrypt(self, box: Buffer, context: bytes = b"", *, arena: Arena | None = None) -> SecureBytes:
        """Decrypt a box into a new SecureBytes, in the given arena or the default one.

        Raises DecryptionError, always with the same message, for another key or context, or a box that was changed;
        SizeError when the plaintext is empty, as no secret is: decrypt_into() takes an empty buffer.
        """
        view = bytes_view(box, "box")
        version = self._version_of(view)
        return self._vault.use(self._entry, "decrypt", version, work.decrypt, view, (context, arena))  # type: ignore[no-any-return]  # what the work gives

    def decrypt_into(self, box: Buffer, out: Buffer, context: bytes = b"") -> None:
        """Decrypt into a writable buffer of exactly len(box) - overhead bytes, which must not overlap the box.

        Raises DecryptionError as decrypt(), out being wiped; SizeError for another size.
        """
        view = bytes_view(box, "box")
        self._vault.use(self._entry, "decrypt", self._version_of(view), work.decrypt_into, view, (context, out))

    def needs_rewrap(self, box: Buffer) -> bool:
        """Whether a box was made by another version than the primary; DecryptionError if by none of this key."""
        return self._version_of(bytes_view(box, "box")) is not self._entry.primary

    def rewrap(self, box: Buffer, context: bytes = b"") -> bytes:
        """The same plaintext, under the same context, in a box of the primary version; it is in clear in a slot only.

        Raises as decrypt() and encrypt().
        """
        try:
            plaintext = self.decrypt(box, context)
        except SizeError:
            self.decrypt_into(box, bytearray(), context)
            return self.encrypt(b"", context)
        with work.held(plaintext):
            return self.encrypt(plaintext, context)

    def session(self) -> Session:
        """The primary version made ready for a hot loop; see Session for its price."""
        return Session(self, self._vault, self._entry)

    # Streams and files

    def encrypt_stream(
        self, source: streams.Source, target: streams.Target, context: bytes = b"", progress: Progress = None
    ) -> int:
        """Encrypt all that source.readinto() gives into target.write(); the bytes written after the header.

        The header has 88 bytes, and each chunk of 64 KiB 16 more. Plaintext is in locked memory here; whether it is
        elsewhere too, the source decides.

        progress: called with the bytes written so far after each chunk. Raises also what source, target and progress
        raise; BlockingIOError where one of the former does not block.
        """
        return streams.encrypt(self._vault, self._entry, source, target, context, progress)

    def decrypt_stream(
        self, source: streams.Source, target: streams.Target, context: bytes = b"", progress: Progress = None
    ) -> int:
        """Decrypt what encrypt_stream() wrote; the bytes of plaintext.

        Chunks go out before the end is known: each is authentic and in its place, but only when this returns is the
        stream known to be whole. Throw away what was written when it raises, or use decrypt_file(), which does.

        Raises DecryptionError for another key or context, and for a stream that was changed, cut, or added to.
        """
        return streams.decrypt(self._vault, self._entry, source, target, context, progress)

    def encrypt_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        context: bytes = b"",
        progress: Progress = None,
    ) -> int:
        """Encrypt a file into another of mode 0600, which appears, or replaces one, when it is whole.

        On any failure nothing is left behind. Otherwise as encrypt_stream(); raises OSError as files do.
        """
        return files.transform(streams.encrypt, self._vault, self._entry, source, target, context, progress)

    def decrypt_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        context: bytes = b"",
        progress: Progress = None,
    ) -> int:
        """Decrypt a file into another of mode 0600, which appears, or replaces one, when all of it is authentic.

        On any failure nothing is left behind. Otherwise as decrypt_stream(); raises OSError as files do.
        """
        return files.transform(streams.decrypt, self._vault, self._entry, source, target, context, progress)

    # Authentication, signatures, agreement, wrapping

    def _readers(self, operation: str) -> list[Version]:
        """The versions that may check something, the primary first; KeyPolicyError if none may."""
        entry = self._entry
        usable = [version for version in entry.versions if operation in version.allowed]
        if not usable:
            self._vault.use(entry, operation, None, work.authenticate, b"")  # raises
        return sorted(usable, key=lambda version: version is not entry.primary)

    def mac(self, data: Buffer) -> bytes:
        """The HMAC of data: 32, 48 or 64 bytes."""
        return self._vault.use(self._entry, "mac", None, work.authenticate, data)  # type: ignore[no-any-return]  # what the work gives

    def verify_mac(self, data: Buffer, code: Buffer) -> None:
        """Check a code against the primary and active versions; VerificationError when it is none of theirs."""
        self._check("verify_mac", work.authenticate, data, bytes_view(code, "code"))

    def sign(self, data: Buffer) -> bytes:
        """The Ed25519 signature of data, 64 bytes."""
        return self._vault.use(self._entry, "sign", None, work.sign, data)  # type: ignore[no-any-return]  # what the work gives

    def verify(self, data: Buffer, signature: Buffer) -> None:
        """Check a signature against the primary and active versions; VerificationError when it is none of theirs."""
        self._check("verify", _verify, data, signature)

    def _check(self, operation: str, check: Callable[..., object], data: Buffer, code: Buffer) -> None:
        *others, last = self._readers(operation)
        for version in others:
            with suppress(VerificationError):
                self._vault.use(self._entry, operation, version, check, data, code)
                return
        self._vault.use(self._entry, operation, last, check, data, code)

    def agree(
        self,
        peer: Buffer,
        context: bytes = b"",
        *,
        length: int = 32,
        version: int | None = None,
        arena: Arena | None = None,
    ) -> SecureBytes:
        """A key of length bytes shared with the owner of a public key (32 bytes): X25519, then HKDF-SHA-256.

        Both sides get the same one for the same context; it is bound to both public keys. version: an active one
        instead of the primary. store.import_key() takes the result.

        Raises SizeError for a public key or length of another size, PeerKeyError for a public key of low order.
        """
        chosen = None if version is None else self._entry.numbered(version)
        public = bytes(bytes_view(peer, "the peer's public key"))
        return self._vault.use(self._entry, "agree", chosen, work.agree, public, (context, length, arena))  # type: ignore[no-any-return]  # what the work gives

    def wrap(self, other: KeyHandle, context: bytes = b"") -> bytes:
        """Encrypt the primary version of another key, of this or another store, for KeyStore.unwrap().

        Raises KeyPolicyError too when the other key is not extractable.
        """
        if not isinstance(other, KeyHandle):
            raise TypeError(f"only a KeyHandle can be wrapped, not {type(other).__name__}")
        with lifecycle.lent(other._vault, other._entry, "wrapped") as (version, secret):
            descriptor = bytes((version.algorithm.number,)) + version.key_id
            return self._vault.use(  # type: ignore[no-any-return]  # what the work gives
                self._entry, "wrap", None, work.wrap, secret, (descriptor, context)
            )

    # Versions

    def rotate(self, *, pending: bool = False) -> VersionInfo:
        """Make a new random version: at once primary, the former one active, or pending until it is promoted.

        Old boxes are read until their version is disabled or destroyed. Raises StoreLockedError, KeyNotFoundError, and
        CapacityError where no memory can be locked; as all that follow.
        """
        return lifecycle.rotate(self._vault, self._entry, pending=pending)

    def promote(self, version: int) -> None:
        """Make a pending or active version primary, and the primary one active; KeyPolicyError for another state."""
        with lifecycle.version_changing(self._vault, self._entry, "promote", version) as found:
            self._entry.promote(found)

    def disable(self, version: int) -> None:
        """Take a version out of use until enable(); a key whose primary it is has none until one is promoted."""
        with lifecycle.version_changing(self._vault, self._entry, "disable", version) as found:
            self._entry.retire(found, State.DISABLED)
            self._vault.end_live(found)

    def enable(self, version: int) -> None:
        """Make a disabled version active; KeyPolicyError for another state."""
        with lifecycle.version_changing(self._vault, self._entry, "enable", version) as found:
            self._entry.enable(found)

    def destroy(self, version: int) -> None:
        """Wipe the key of a version and forget its sealed form: what only it could read is lost. May be repeated."""
        with lifecycle.version_changing(self._vault, self._entry, "destroy", version) as found:
            if found.state is not State.DESTROYED:
                self._vault.destroy(self._entry, found)

    def forbid_extraction(self) -> None:
        """Take extractability away from the key, for ever."""
        lifecycle.forbid_extraction(self._vault, self._entry)

    # The rest

    def __eq__(self, other: object) -> bool:
        """Whether both name the same key of the same store."""
        return isinstance(other, KeyHandle) and other._entry is self._entry

    def __hash__(self) -> int:
        """By the key that is named."""
        return id(self._entry)

    def __repr__(self) -> str:
        """Name, algorithm and states; nothing of the key."""
        states = ", ".join(f"{version.number} {version.state}" for version in self._entry.versions)
        gone = ", deleted" if self._entry.gone else ""
        return f"<KeyHandle {self.name!r}: {self.algorithm}, versions {states}{gone}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a KeyHandle cannot be pickled or copied: it names a key of a store in this process")


def _verify(version: Version, _secret: SecureBytes, data: Buffer, signature: Buffer) -> None:
    assert version.public is not None  # noqa: S101 - only keys with a public key have that usage
    ed25519_verify(version.public, data, signature)
