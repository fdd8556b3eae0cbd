"""The doors' functions, and what they answer as exceptions."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NoReturn

from securemem import exceptions
from securemem._binding.load import lib, types

if TYPE_CHECKING:
    from securemem._types import (
        MemoryFile,
        concat,
        decode_base64,
        decode_hex,
        encode_base64,
        encode_hex,
        generate_passphrase,
        generate_password,
        hand_over,
        mask,
        memory_file,
        prompt,
        read_env,
        read_json,
        read_whole,
        receive,
        split,
        strip,
        take_over,
        with_copy,
        write_fd,
    )
else:
    concat, split, strip = types.concat, types.split, types.strip
    decode_base64, decode_hex = types.decode_base64, types.decode_hex
    encode_base64, encode_hex = types.encode_base64, types.encode_hex
    generate_passphrase, generate_password = types.generate_passphrase, types.generate_password
    prompt, read_env, read_json, read_whole = types.prompt, types.read_env, types.read_json, types.read_whole
    receive, write_fd = types.receive, types.write_fd
    MemoryFile, memory_file = types.MemoryFile, types.memory_file
    hand_over, take_over = types.hand_over, types.take_over
    mask, with_copy = types.mask, types.with_copy

__all__ = [
    "MemoryFile",
    "concat",
    "decode_base64",
    "decode_hex",
    "encode_base64",
    "encode_hex",
    "generate_passphrase",
    "generate_password",
    "hand_over",
    "mask",
    "memory_file",
    "prompt",
    "read_env",
    "read_json",
    "read_whole",
    "receive",
    "split",
    "strip",
    "take_over",
    "with_copy",
    "write_fd",
]

_Kind = type[exceptions.SecureMemError]

# The message may name the number that came with the answer: {0}.
_MESSAGES: dict[int, tuple[_Kind, str]] = {
    lib.SM_DOOR_EMPTY: (
        exceptions.EmptyInputError,
        "there is nothing: a secret has at least one byte; check that what it comes from is not empty",
    ),
    lib.SM_DOOR_LONG: (
        exceptions.InputTooLongError,
        "more than {0} bytes came, and all of them were wiped: give a larger max_length if so many are meant",
    ),
    lib.SM_DOOR_ENDED: (
        exceptions.InputEndedError,
        "it ended before a secret had come (end of file): what had come was wiped; enter it again, or check the sender",
    ),
    lib.SM_DOOR_NO_WRITER: (
        exceptions.EmptyInputError,
        "nobody has the FIFO open for writing, or its writer wrote nothing: start the writer first, or open it "
        "and give it to read_fd()",
    ),
    lib.SM_DOOR_ODD_HEX: (
        exceptions.FormatError,
        "hex has two digits a byte, and here is an odd number of characters ({0}): use strip() where a newline "
        "or space stands at the end",
    ),
    lib.SM_DOOR_NOT_HEX: (
        exceptions.FormatError,
        "a character is not a hex digit (0-9, a-f, A-F): use strip() where a newline or space stands around the digits",
    ),
    lib.SM_DOOR_NOT_BASE64: (
        exceptions.FormatError,
        "a character is not of the alphabet, or bits behind the last byte are not zero: give "
        'alphabet="url" for text with - and _, and use strip() where a newline or space stands around it',
    ),
    lib.SM_DOOR_BAD_PADDING: (
        exceptions.FormatError,
        "the length ({0}) and the padding do not fit: base64 has a multiple of 4 characters, filled with =; give "
        "padded=False for text without =, and use strip() where a newline stands at the end",
    ),
    lib.SM_DOOR_NOT_JSON: (
        exceptions.FormatError,
        "this is not JSON from byte {0} on (RFC 8259, UTF-8): nothing of it was taken",
    ),
    lib.SM_DOOR_DEEP_JSON: (exceptions.FormatError, "the JSON, or the pointer, is nested more than 64 levels deep"),
    lib.SM_DOOR_NOT_STRING: (
        exceptions.FormatError,
        "the pointer names a number, a boolean, null, an array or an object: let it name a string",
    ),
    lib.SM_DOOR_TWICE: (exceptions.FormatError, "two fields have that name, and it is not known which is meant"),
    lib.SM_DOOR_NO_FIELD: (
        exceptions.MissingSecretError,
        "the pointer names nothing in this JSON: it is written as /outer/inner, with /0 for the first of an array (RFC "
        "6901)",
    ),
    lib.SM_DOOR_DIFFERENT: (exceptions.InputError, "the two entries differ, and both were wiped: type the same twice"),
    lib.SM_DOOR_ABSENT: (exceptions.MissingSecretError, "there is no environment variable of that name: set it"),
    lib.SM_DOOR_NOT_HANDED: (
        exceptions.InputError,
        "the other side handed over no secret: it must call hand_over(), and nothing else may be sent before",
    ),
    lib.SM_DOOR_NOT_UNIX: (
        exceptions.InvalidArgumentError,
        "a descriptor passes through a Unix socket only: use socket.socketpair(), a socket of AF_UNIX, or "
        "multiprocessing.Pipe(duplex=True)",
    ),
    lib.SM_DOOR_NOT_OURS: (
        exceptions.ExposedFileError,
        "another user owns it, and could change it: chown it, or give allow_others=True if you trust that user",
    ),
    lib.SM_DOOR_SHARED: (
        exceptions.ExposedFileError,
        "others than its owner may read or change the file: `chmod 600` it, or give allow_others=True where the folder "
        "around it keeps them out",
    ),
}

_TERMINAL: dict[int, tuple[int, str]] = {
    lib.SM_DOOR_BUSY: (errno.EBUSY, "another thread prompts already: let it end first"),
    lib.SM_DOOR_HANGUP: (
        errno.EIO,
        "the terminal went away, or this process is in the background of it; what had been typed was wiped",
    ),
}

_TRANSFERS: dict[int, tuple[type[exceptions.TransferError], str]] = {
    errno.ENOENT: (exceptions.MissingFileError, "there is no such file: check the path"),
    errno.EACCES: (exceptions.RefusedFileError, "this process may not read it: check the owner and mode of the file"),
    errno.EPERM: (exceptions.RefusedFileError, "this process may not do that"),
    errno.EISDIR: (exceptions.TransferError, "it is a directory: give the path of a file in it"),
    errno.EBADF: (exceptions.TransferError, "the descriptor is closed, or not open for that direction"),
    errno.EPIPE: (exceptions.TransferError, "the reader has closed its end"),
    errno.ECONNRESET: (exceptions.TransferError, "the other side broke the connection off"),
}


def raise_door(door: int, error: int, call: str | None, detail: int) -> NoReturn:
    """Raise the exception for what a door answered, with what the kernel said in this thread."""
    if door in _MESSAGES:
        kind, message = _MESSAGES[door]
        raise kind(message.format(detail))
    if door in _TERMINAL:
        error, message = _TERMINAL[door]
        raise exceptions.TerminalError(error, message)
    if door == lib.SM_DOOR_TIMEOUT:
        raise exceptions.TransferTimeoutError(
            errno.ETIMEDOUT, "nothing came in the time that was given; what had come was wiped"
        )
    if error in {errno.ENOTTY, errno.EIO} and call is not None and "terminal" in call:
        raise exceptions.TerminalError(error, f"{call}: {os.strerror(error)}")
    refusal, message = _TRANSFERS.get(error, (exceptions.TransferError, os.strerror(error)))
    raise refusal(error, f"{message} ({call}: {errno.errorcode.get(error, error)})")


types.install_doors(raise_door)
