"""What the tests of doors share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from securemem import SecureBytes


def bytes_of(secret: SecureBytes) -> bytes:
    """The bytes of a secret, copied: for tests that may know them."""
    with secret.reveal() as view:
        return bytes(view)
