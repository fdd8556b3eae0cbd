"""What a store keeps: keys with their versions, and opaque secrets; their states, and what each state allows."""

from __future__ import annotations

import os
import time
from enum import StrEnum

from securemem._binding.tickets import Tickets
from securemem._frozen import Frozen
from securemem.crypto._counts import SharedCount
from securemem.exceptions import KeyExhaustedError, KeyNotFoundError, KeyPolicyError, SecureMemError
from securemem.keystore import _tickets
from securemem.keystore._algorithms import UNBOUNDED
from securemem.keystore._gate import Cell, apply
from securemem.keystore._header import BOX, STREAM, WRAPPED, header, not_decrypted
from securemem.keystore._operations import OPERATION_OF, OPERATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

    from securemem._types import Cipher
    from securemem.keystore._algorithms import KeyAlgorithm
    from securemem.keystore._boxes import Kept
    from securemem.keystore._contents import Contents
    from securemem.keystore._operations import Operation
    from securemem.keystore.policy import Policy
    from securemem.secure_bytes import SecureBytes

    P = ParamSpec("P")
    R = TypeVar("R")
    C = TypeVar("C", "Version", Kept)

    class Use(Protocol):
        """`Gate.use`, or the same with the audit told of it: it calls work with the key in clear."""

        def __call__(
            self, work: Callable[Concatenate[C, Any, P], R], cell: C, /, *arguments: P.args, **names: P.kwargs
        ) -> R: ...


__all__ = ["Facts", "State", "StoredKey", "StoredSecret", "Version", "VersionInfo"]


_NO_TICKET = object()  # where there are no more: each ticket is None


class State(StrEnum):
    """Where a version of a key stands.

    PENDING: made ahead, and used when it is promoted. PRIMARY: does everything the policy allows; one of a key.
    ACTIVE: was primary, and reads what it protected. DISABLED: does nothing until it is enabled. DESTROYED: its key is
    gone, and what only it could read is lost.
    """

    PENDING = "pending"
    PRIMARY = "primary"
    ACTIVE = "active"
    DISABLED = "disabled"
    DESTROYED = "destroyed"


class VersionInfo(Frozen):
    """What can be said of a version.

    number: from 1 on. key_id: 16 bytes, as in its boxes. state. messages, protected_bytes: how much it protected, and
    forked children did, where a limit holds (bytes are counted where the policy bounds them). public_key: of keys that
    have one.
    """

    number: int
    key_id: bytes
    state: State
    messages: int
    protected_bytes: int
    public_key: bytes | None


class Facts(Frozen):
    """What is written down of a version, and sealed with its key.

    record: where its key lies sealed; empty once it is destroyed. drawn: tickets, taken or not. protected: bytes, when
    this was written. public: the public key, or empty.
    """

    number: int
    key_id: bytes
    state: State
    record: bytes
    drawn: int = 0
    protected: int = 0
    public: bytes = b""


def _allows(operation: Operation, state: State, policy: Policy) -> bool:
    if state is not State.PRIMARY and (state is not State.ACTIVE or operation.rule == "protects"):
        return False
    usages = policy.usages or frozenset()
    return bool(usages & {"encrypt", "decrypt"}) if operation.name == "session" else operation.name in usages


class Version(Cell):
    """One version of a key; a cell that holds the key in clear for as long as it is open."""

    __slots__ = (
        "allowance",
        "allowed_in",
        "cipher",
        "facts",
        "header",
        "key",
        "protected",
        "shared_bytes",
        "shared_messages",
    )

    def __init__(self, key: StoredKey, facts: Facts) -> None:
        super().__init__(key.contents.gate, is_key=True)
        self.key: StoredKey = key
        self.facts: Facts = facts
        self.header: bytes = self.header_of(BOX)
        if key.algorithm.cipher is not None:
            self.cipher: Cipher = key.algorithm.cipher.cipher
        self.tickets: Tickets | None = Tickets(0)
        self.protected: int = facts.protected  # where they are not counted in a file
        self.allowance: int = 0  # bytes that this process reserved in the file, and did not use
        self.allowed_in: int = 0  # which process that is
        self.shared_messages: SharedCount | None = None  # with forked children
        self.shared_bytes: SharedCount | None = None
        apply(*self.steps(facts, key.policy))

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.facts.state

    def steps(self, facts: Facts, policy: Policy) -> list[tuple[Any, ...]]:
        """The assignments that make these its facts, for apply()."""
        allowed = [one for one in OPERATIONS if _allows(one, facts.state, policy)]
        unseen = [one for one in allowed if not (one.counted and policy.bounds_each_use)]
        free = frozenset(function for one in unseen if not one.counted for function in one.functions)
        counted = frozenset(function for one in unseen if one.counted for function in one.functions)
        return [
            (self, "facts", facts),
            (self, "free", free),
            (self, "counted", counted),
            *self._shared_from_now(policy),
        ]

    def _shared_from_now(self, policy: Policy) -> list[tuple[Any, ...]]:
        """The steps after which what the policy bounds is counted over this process and the children it forks."""
        bounded = policy.max_messages is not None or self.key.algorithm.most_messages != UNBOUNDED
        steps: list[tuple[Any, ...]] = []
        if self.key.contents.counts_in_file:
            return steps
        if bounded and self.shared_messages is None:
            steps.append((self, "shared_messages", SharedCount()))
        if policy.max_bytes is not None and self.shared_bytes is None:
            steps.append((self, "shared_bytes", SharedCount()))
        return steps

    def header_of(self, kind: int) -> bytes:
        """The header of what this version makes of that kind."""
        return header(kind, self.key.algorithm.number, self.facts.key_id)

    def admit(self, work: Callable[..., object], data: Any) -> SecureBytes:
        """Let work begin that the gate could not allow unseen; the key in clear. Raises what tells why it may not."""
        self.check(work, data)
        return self.key.contents.opened(self)

    def may(self, work: Callable[..., object]) -> bool:
        """Whether its state and the policy allow the operation."""
        return not self.key.gone and _allows(OPERATION_OF[work], self.state, self.key.policy)

    def check(self, work: Callable[..., object], data: Any) -> None:
        """Check policy, state, time and counts before an operation, and count it.

        data: the buffer that is protected, where the operation protects one.
        """
        operation, key = OPERATION_OF[work], self.key
        if not self.may(work):
            key.refuse(operation.name, self)
        if operation.counted:
            if key.policy.bounds_each_use:
                self.watch(memoryview(data).nbytes)
            if not self._take_ticket():
                key.contents.alone(self._draw)

    def watch(self, nbytes: int) -> None:
        """Check time and bytes before something is protected, and count the bytes. Raises KeyPolicyError."""
        policy, now = self.key.policy, time.time()
        if policy.not_before is not None and now < policy.not_before.timestamp():
            raise KeyPolicyError(f"key {self.key.name!r} is not to be used before {policy.not_before} (not_before)")
        if policy.not_after is not None and now > policy.not_after.timestamp():
            raise KeyPolicyError(
                f"key {self.key.name!r} was to be used until {policy.not_after} (not_after): rotate it"
            )
        if policy.max_bytes is not None:
            contents = self.key.contents
            if not contents.counts_in_file:
                contents.gate.change(self._count, nbytes, policy.max_bytes)
            elif not contents.gate.change(self._spend, nbytes):
                contents.alone(self._reserve, nbytes, policy.max_bytes)

    def _count(self, nbytes: int, most: int) -> None:
        shared = self.shared_bytes or SharedCount()
        taken, total = shared.take(self.protected, nbytes, nbytes, most)
        if taken < nbytes:
            self.protected = total
            self._refuse_bytes(most)
        self.protected = total

    def _refuse_bytes(self, most: int) -> NoReturn:
        raise KeyPolicyError(
            f"key {self.key.name!r} version {self.facts.number} may protect {most} bytes (max_bytes), "
            f"of which {most - self.used_bytes} are left: rotate it"
        )

    def _spend(self, nbytes: int) -> bool:
        if self.bytes_left < nbytes:
            return False
        self.allowance -= nbytes
        return True

    def _reserve(self, nbytes: int, most: int) -> None:
        """Reserve bytes in the file, where other processes' are known by now, and use them."""
        if self._spend(nbytes):
            return
        left, drawn = self.bytes_left, self.facts.protected
        more = _tickets.block(most, drawn, nbytes - left)
        if left + more < nbytes:
            self._refuse_bytes(most)
        self.key.contents.keep_reserved(self, more, left + more - nbytes)

    @property
    def bytes_left(self) -> int:
        """How many bytes were reserved in the file by this process, and not used: a forked child has none of them."""
        return self.allowance if self.allowance and self.allowed_in == os.getpid() else 0

    @property
    def noted_bytes(self) -> int:
        """How many bytes are written down as protected: in a file those that are reserved too."""
        return self.facts.protected if self.key.contents.counts_in_file else self.protected

    @property
    def used_bytes(self) -> int:
        """How many bytes it protected, where the policy bounds them."""
        if self.shared_bytes is None:
            return self.noted_bytes - self.bytes_left
        return max(self.protected, self.shared_bytes.value)

    @property
    def most_messages(self) -> int:
        """How many messages it may protect: the policy's bound, or that of the algorithm."""
        most = self.key.algorithm.most_messages
        return min(self.key.policy.max_messages or most, most)

    def _take_ticket(self) -> bool:
        return self.tickets is not None and next(self.tickets, _NO_TICKET) is None

    def _draw(self) -> None:
        """Take a ticket from a new block, unless another thread has drawn one meanwhile."""
        if self._take_ticket():
            return
        facts, most, shared = self.facts, self.most_messages, self.shared_messages
        drawn = facts.drawn if shared is None else max(facts.drawn, shared.value)
        size = _tickets.block(most, drawn)
        if shared is not None and size:
            size, drawn = shared.take(facts.drawn, 1, size, most)
        else:
            drawn += size
        if size == 0:
            self._exhausted()
        left = Tickets(size)
        next(left, None)  # there is none where a fork came between: then Gate.use refuses
        self.key.contents.keep_drawn(self, facts.__replace__(drawn=drawn), left)

    def _exhausted(self) -> NoReturn:
        name, most = f"key {self.key.name!r} version {self.facts.number}", self.most_messages
        if most == self.key.policy.max_messages:
            raise KeyPolicyError(
                f"{name} protected {most} messages, as many as its policy allows (max_messages): rotate it"
            )
        raise KeyExhaustedError(
            f"{name} encrypted {most} messages, as many as random nonces of {self.key.algorithm.name} allow: rotate it"
        )

    def info(self) -> VersionInfo:
        """What can be said of it now."""
        facts, shared = self.facts, self.shared_messages
        drawn = facts.drawn if shared is None else max(facts.drawn, shared.value)
        messages = _tickets.used(drawn, self.tickets or ())
        return VersionInfo(facts.number, facts.key_id, facts.state, messages, self.used_bytes, facts.public or None)


class StoredKey:
    """A key: its name, algorithm, policy and versions. Changed by `_changes` only.

    record: where what is said here lies sealed. details: what else is said of it, see `_details`.
    primary: the primary version, or one of number 0 that does nothing.
    use: does an operation with one of its versions.
    """

    __slots__ = (
        "_by_header",
        "algorithm",
        "contents",
        "details",
        "gone",
        "name",
        "policy",
        "primary",
        "record",
        "use",
        "versions",
    )

    def __init__(
        self,
        contents: Contents,
        name: str,
        algorithm: KeyAlgorithm,
        policy: Policy,
        record: bytes,
        details: bytes = b"",
    ) -> None:
        self.contents: Contents = contents
        self.name: str = name
        self.algorithm: KeyAlgorithm = algorithm
        self.policy: Policy = policy
        self.record: bytes = record
        self.details: bytes = details
        self.gone: bool = False
        self.use: Use = contents.use
        self.versions: tuple[Version, ...] = ()
        self.primary: Version = self.nobody()
        self._by_header: dict[bytes, Version] = {}

    def nobody(self) -> Version:
        """Stands for a primary version where there is none: it is never allowed anything."""
        return Version(self, Facts(0, bytes(16), State.PENDING, b""))

    def headers(self, *versions: Version) -> dict[bytes, Version]:
        """How find() knows the versions once these are among them."""
        return self._by_header | {one.header_of(kind): one for one in versions for kind in (BOX, STREAM, WRAPPED)}

    def find(self, start: bytes, kind: int = BOX) -> Version | None:
        """The version that has this header of that kind, if any has."""
        found = self._by_header.get(start)
        if found is None:
            self.contents.refresh()
            found = self._by_header.get(start)
        return found if found is not None and start == found.header_of(kind) else None

    def numbered(self, number: int) -> Version:
        """The version of that number; KeyNotFoundError where there is none."""
        if not isinstance(number, int) or not 0 < number <= len(self.versions):
            raise KeyNotFoundError(f"key {self.name!r} has no version {number!r}: it has 1 to {len(self.versions)}")
        return self.versions[number - 1]

    def refuse(self, operation: str, version: Version) -> NoReturn:
        """Raise what tells why the operation is not allowed."""
        if self.gone:
            raise KeyNotFoundError(f"key {self.name!r} was deleted")
        usages = self.policy.usages or frozenset()
        if operation not in usages and not (operation == "session" and usages & {"encrypt", "decrypt"}):
            listed = ", ".join(map(repr, sorted(usages)))
            raise KeyPolicyError(f"key {self.name!r} is not for {operation!r} (usages): its policy allows {listed}")
        if version.facts.number == 0:
            raise KeyPolicyError(f"key {self.name!r} has no primary version for {operation!r}: promote one, or rotate")
        rule = "only the primary one does this" if version.state is State.ACTIVE else "it is not in use"
        raise KeyPolicyError(
            f"key {self.name!r} version {version.facts.number} is {version.state}, and may not {operation!r}: {rule}"
        )

    def refuse_box(self, operation: str) -> NoReturn:
        """Raise for what no version of the key made; what is wrong with the use itself comes first."""
        try:
            self.contents.gate.run(self._refuse_box, operation)
        except SecureMemError as error:
            self.contents.tell(operation, self, None, type(error).__name__)
            raise
        raise not_decrypted()  # unreachable: the call above raised

    def _refuse_box(self, operation: str) -> NoReturn:
        if self.gone or operation not in (self.policy.usages or ()):
            self.refuse(operation, self.primary)
        raise not_decrypted()


class StoredSecret(Frozen):
    """An opaque secret: its name, where what is said of it lies sealed, and where itself does."""

    name: str
    record: bytes
    value: bytes
    details: bytes = b""
