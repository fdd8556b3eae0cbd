"""Files, descriptors and sockets: secrets are read into, and written from, the slot itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from securemem._binding import doors as binding
from securemem.doors._arguments import FOREVER, descriptor, milliseconds, positive
from securemem.exceptions import InvalidArgumentError, SecureMemError

if TYPE_CHECKING:
    import socket
    from typing import Protocol

    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

    class HasDescriptor(Protocol):
        """What has a file descriptor."""

        def fileno(self) -> int:
            """The descriptor."""
            ...


__all__ = ["read_fd", "read_file", "read_json_field", "receive", "write_fd"]

_MOST = 1 << 20


def _named(error: SecureMemError, path: object) -> None:
    """Let an error tell which file it is about."""
    if isinstance(error, OSError) and error.filename is None and error.errno is not None:
        error.filename = os.fsdecode(path) if isinstance(path, bytes) else path
    else:
        error.add_note(f"the file: {os.fsdecode(path) if isinstance(path, bytes) else path}")


def _encoded(path: str | bytes | os.PathLike[str]) -> bytes:
    encoded = os.fsencode(path)
    if not encoded or b"\0" in encoded:
        raise InvalidArgumentError("a path must have one character or more, and no NUL")
    return encoded


def read_file(
    path: str | bytes | os.PathLike[str],
    *,
    strip_newline: bool = False,
    allow_others: bool = False,
    max_length: int = _MOST,
    arena: Arena | None = None,
) -> SecureBytes:
    """Read a whole file into a new SecureBytes.

    path: a file, FIFO, or device. strip_newline: leave out one newline at the end, with the carriage return before it.
    allow_others: take a file, too, that group or others may read or write, or that another user than this process's
    and root owns. max_length: most bytes. The page cache and the disk keep what they have of the file.

    Raises MissingFileError, RefusedFileError, ExposedFileError, EmptyInputError (also for a FIFO that nobody writes
    to), InputTooLongError, TransferError for what else the kernel refuses, and what SecureBytes.zeros raises where
    there is no room. What was read before the error is wiped.
    """
    encoded = _encoded(path)
    try:
        return binding.read_whole(
            encoded, arena, positive("max_length", max_length), strip_newline, allow_others, FOREVER
        )
    except SecureMemError as error:
        _named(error, path)
        raise


def read_fd(
    file: int | HasDescriptor,
    *,
    strip_newline: bool = False,
    max_length: int = _MOST,
    timeout: float | None = None,
    arena: Arena | None = None,
) -> SecureBytes:
    """Read a descriptor to its end, from where it is, into a new SecureBytes. It stays open.

    file: the number, or an object with fileno(); what a buffered file object has read ahead already is not seen.
    strip_newline: leave out one newline at the end, with the carriage return before it. max_length: most bytes.
    timeout: most seconds to wait for the next byte; None: for ever.

    Raises EmptyInputError, InputTooLongError, TransferTimeoutError, TransferError for what else the kernel refuses
    (a closed descriptor), and what SecureBytes.zeros raises where there is no room. What was read before the error is
    wiped, and gone from the descriptor.
    """
    return binding.read_whole(
        descriptor(file),
        arena,
        positive("max_length", max_length),
        strip_newline,
        True,
        milliseconds(timeout),
    )


def receive(sock: socket.socket, size: int, *, arena: Arena | None = None) -> SecureBytes:
    """Receive exactly size bytes from a stream socket, into a new SecureBytes.

    sock: a connected socket; its own timeout is kept, for each wait. A TLS socket is refused: its bytes are in
    OpenSSL's memory, not in the descriptor.

    Raises InputEndedError where the other side ended before, TransferTimeoutError, TransferError for what else the
    kernel refuses, TypeError for a TLS socket, and what SecureBytes.zeros raises where there is no room. What had come
    before the error is wiped.
    """
    if hasattr(sock, "do_handshake"):
        raise TypeError(
            "a TLS socket keeps received bytes in OpenSSL's memory: make SecureBytes.zeros(size) and let "
            "sock.recv_into() write into it"
        )
    if not hasattr(sock, "gettimeout"):
        raise TypeError(f"sock must be a connected socket, not {type(sock).__name__}")
    timeout = sock.gettimeout()
    wait = milliseconds(min(timeout, 2_000_000)) if timeout is not None else FOREVER
    return binding.receive(descriptor(sock), arena, positive("size", size), wait)


def read_json_field(
    source: str | bytes | os.PathLike[str] | int,
    pointer: str,
    *,
    allow_others: bool = False,
    max_length: int = _MOST,
    arena: Arena | None = None,
) -> SecureBytes:
    r"""Read one string of a JSON file into a new SecureBytes, as UTF-8.

    The file is read into locked memory, checked there as a whole, and wiped when the string is out.

    source: a path, or the number of an open descriptor. pointer: a JSON pointer: "/database/password", "/keys/0"; in a
    name, ~1 stands for / and ~0 for ~. Escapes such as \n and \u00e9 are resolved. allow_others: take a file, too, that
    group or others may read or write, or that another user owns. max_length: most bytes of the file.

    Raises MissingSecretError where the pointer names nothing, FormatError where it names another thing than a string,
    where the file is not JSON, is nested more than 64 deep, or has two fields of that name, InvalidArgumentError for
    what is not a pointer, and what read_file raises. Sources: RFC 8259, RFC 6901.
    """
    if not isinstance(pointer, str):
        raise TypeError(f"the pointer must be str, not {type(pointer).__name__}")
    if pointer and not pointer.startswith("/"):
        raise InvalidArgumentError('a JSON pointer begins with /: write "/password" for the field "password"')
    parts = pointer.split("/")[1:]
    if any("~" in part.replace("~0", "").replace("~1", "") for part in parts):
        raise InvalidArgumentError("in a JSON pointer, ~ is written ~0 and / within a name ~1")
    tokens = tuple(part.replace("~1", "/").replace("~0", "~").encode() for part in parts)
    limit = positive("max_length", max_length)
    if isinstance(source, int):
        return binding.read_json(descriptor(source), tokens, arena, limit, True)
    try:
        return binding.read_json(_encoded(source), tokens, arena, limit, allow_others)
    except SecureMemError as error:
        _named(error, source)
        raise


def write_fd(file: int | HasDescriptor, secret: Buffer) -> int:
    """Write all bytes of a secret to a descriptor, straight from where they lie; how many those were.

    file: the number of a pipe, socket, file or terminal, or an object with fileno(). What a file object has in its own
    buffer is not flushed first. The kernel, and whoever reads, have copies then.

    Raises TransferError where the kernel refuses (a closed descriptor, a reader that went away), and WipedError.
    """
    return binding.write_fd(descriptor(file), secret)
