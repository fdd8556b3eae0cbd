"""Secrets to other processes of the same program: workers that were not forked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem._binding import doors as binding
from securemem.doors._arguments import descriptor, milliseconds, positive
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.doors._files import HasDescriptor

__all__ = ["allow_multiprocessing", "hand_over", "take_over"]

_MOST = 1 << 20
_WAIT = 60.0


def hand_over(connection: HasDescriptor | int, secret: Buffer, *, timeout: float | None = _WAIT) -> None:
    """Give a copy of a secret to another process, which calls take_over on the other end.

    What passes through the kernel is the descriptor of a file in memory, locked and sealed; it is wiped when the other
    side has answered that it has its copy, or at an error.

    connection: a Unix socket, or a multiprocessing Connection of Pipe(duplex=True). timeout: most seconds to wait for
    the answer; None: for ever.

    Raises InvalidArgumentError for another kind of connection, TransferTimeoutError, InputEndedError where the other
    side went away before it answered, TransferError for what else the kernel refuses, and what as_file raises. Source:
    unix(7), SCM_RIGHTS.
    """
    binding.hand_over(descriptor(connection), secret, milliseconds(timeout))


def take_over(
    connection: HasDescriptor | int,
    *,
    max_length: int = _MOST,
    timeout: float | None = _WAIT,
    arena: Arena | None = None,
) -> SecureBytes:
    """Take a secret from another process, which calls hand_over on the other end, into a new SecureBytes.

    connection: as for hand_over. max_length: most bytes. timeout: most seconds to wait; None: for ever.

    Raises InputError where something else came, InputTooLongError, TransferTimeoutError, TransferError for what else
    the kernel refuses, and what SecureBytes.zeros raises where there is no room; the other side is not answered then,
    and wipes its copy.
    """
    return binding.take_over(descriptor(connection), arena, positive("max_length", max_length), milliseconds(timeout))


def _sharer() -> Any:
    """What multiprocessing's own DupFd gives descriptors by; no published type names it."""
    from multiprocessing import resource_sharer  # noqa: PLC0415 - loaded where it is used

    return vars(resource_sharer)["_resource_sharer"]


def _rebuild(identity: tuple[object, int]) -> SecureBytes:
    with _sharer().get_connection(identity) as connection:
        return take_over(connection)


def _reduce(secret: SecureBytes) -> tuple[Callable[..., SecureBytes], tuple[object, ...]]:
    copy = secret[:]

    def send(connection: HasDescriptor, _process: int) -> None:
        hand_over(connection, copy)
        copy.wipe()

    return _rebuild, (_sharer().register(send, copy.wipe),)


def allow_multiprocessing() -> None:
    """Let multiprocessing pass SecureBytes: as arguments of a Process, to pools and queues, under spawn and forkserver.

    Pickled is where the secret can be fetched; the other process takes it over by a descriptor, once, and it is wiped
    here then. A message that nobody takes keeps its copy until this process ends. It holds for this process, and for
    multiprocessing's own pickling only: pickle.dumps still refuses.
    """
    from multiprocessing.reduction import ForkingPickler  # noqa: PLC0415 - multiprocessing is slow to import

    ForkingPickler.register(SecureBytes, _reduce)
