"""Who used which key for what, and with which outcome; never with what data."""

from __future__ import annotations

from securemem._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Event", "listener"]


class Event(Frozen):
    """One use of a key, or one change of it or of the store.

    operation: such as "encrypt", "rotate" or "lock". name: the key's, empty where the whole store is meant.
    key_id: 32 hex digits, and version: its number; empty and 0 where no version was found or meant.
    outcome: "success", or the name of the exception's type.
    """

    operation: str
    name: str
    key_id: str
    version: int
    outcome: str


def _log(event: Event) -> None:
    import logging  # noqa: PLC0415 - a store without a log needs not wait for its import

    logging.getLogger("securemem.keystore").log(
        logging.INFO if event.outcome == "success" else logging.WARNING,
        "%s key=%r id=%s version=%d outcome=%s",
        event.operation,
        event.name,
        event.key_id or "-",
        event.version,
        event.outcome,
    )


def listener(callback: Callable[[Event], None] | None, *, log: bool) -> Callable[[Event], None] | None:
    """One function for all that want to hear; None if nobody does."""
    if not log:
        return callback
    if callback is None:
        return _log

    def both(event: Event) -> None:
        _log(event)
        callback(event)

    return both
