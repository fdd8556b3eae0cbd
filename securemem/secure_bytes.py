"""SecureBytes: a secret in locked memory. Its type is compiled; help(SecureBytes) tells of each method."""

from __future__ import annotations

from securemem._binding import arenas as binding
from securemem._binding import memory
from securemem.exceptions import SizeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem._types import Reveal, SecureBytes
else:
    Reveal, SecureBytes = binding.Reveal, binding.SecureBytes

__all__ = ["Reveal", "SecureBytes", "scrub"]

_MOST = 2**30  # no stack is deeper that can be cleared at once; the core stops at the stack's end before


def scrub(depth: int = 65536) -> int:
    """Clear what earlier calls of this thread left behind: its vector registers, and dead stack below the caller.

    Code that handles a secret leaves parts of it there: hmac.digest a padded key, for example. Call scrub() after it,
    in the thread that ran it. securemem.crypto does so by itself. Live stack frames and the heap are not touched.

    depth: bytes of dead stack to clear at most, 0 or more. 64 KiB is deeper than any call of cryptography and OpenSSL
        was measured to reach.

    Returns the bytes of stack that were cleared: less than depth where the stack has less room. Raises TypeError for
    a depth that is no integer, SizeError for a negative one.
    """
    if isinstance(depth, bool) or not isinstance(depth, int):
        raise TypeError("depth must be an integer, a number of bytes")
    if depth < 0:
        raise SizeError(f"a depth of {depth} bytes clears nothing: give 0 or more")
    return memory.scrub(min(depth, _MOST))
