"""A `logging.Filter` that masks secrets in what is logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from securemem._binding import doors as binding
from securemem.exceptions import InvalidArgumentError, SecureMemError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MaskingFilter"]

_SHORTEST = 8


def _described(value: object) -> object:
    return repr(value) if isinstance(value, SecureBytes) else value


def _with_descriptions(record: logging.LogRecord) -> None:
    """Let a SecureBytes that is logged be its repr: as a str it would warn."""
    record.msg = _described(record.msg)
    if isinstance(record.args, tuple):
        record.args = tuple(map(_described, record.args))
    elif record.args:
        record.args = {name: _described(value) for name, value in record.args.items()}


class MaskingFilter(logging.Filter):
    """Replaces each of some secrets by [secret] in the message of a record: give it to a handler's addFilter().

    It is a net for mistakes and no leave to log secrets: the text with the secret has been made before it comes here,
    and only secrets as they are, in UTF-8 text, are found: not in base64, not cut in two. The traceback of a record is
    looked through as well. A SecureBytes among the arguments is shown by its repr(), without a warning. It never raises
    into the program; a record that it cannot read is passed on with its message withheld. Secrets that were wiped are
    left out.

    secrets: of 8 bytes or more; InvalidArgumentError for shorter ones, which would be found everywhere.
    """

    def __init__(self, secrets: Iterable[SecureBytes]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        for secret in self._secrets:
            if not isinstance(secret, SecureBytes):
                raise TypeError(f"secrets must be SecureBytes, not {type(secret).__name__}")
            if len(secret) < _SHORTEST:
                raise InvalidArgumentError(f"a secret of fewer than {_SHORTEST} bytes would be found everywhere")

    def _masked(self, text: str) -> str:
        alive = tuple(secret for secret in self._secrets if not secret.wiped)
        masked = binding.mask(text, alive)
        return text if masked is None else masked

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record; it is always logged."""
        try:
            _with_descriptions(record)
            message = record.getMessage()
            masked = self._masked(message)
            if record.exc_info and not record.exc_text:
                record.exc_text = logging.Formatter().formatException(record.exc_info)
            if record.exc_text:
                record.exc_text = self._masked(record.exc_text)
            if masked != message:
                record.msg, record.args = masked, None
        except (Exception, SecureMemError) as error:  # noqa: BLE001 - logging must not fail the program
            record.msg, record.args = f"[message withheld: {type(error).__name__}]", None
        return True
