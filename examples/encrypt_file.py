"""Encrypt a file under a key that lives in locked memory, and decrypt it again.

    python examples/encrypt_file.py generate KEYFILE
    python examples/encrypt_file.py encrypt KEYFILE PLAIN SEALED
    python examples/encrypt_file.py decrypt KEYFILE SEALED PLAIN

The sealed file is a version byte, a random prefix of 7 bytes for the nonces, and the chunks, each with its tag. The
nonce of a chunk is prefix, number, and whether it is the last (the STREAM construction), so that chunks cannot be
exchanged, left out or cut off. Not more than one file in a few million should be encrypted under one key: the prefix
is random.

Key and plaintext go straight from the file into locked memory, and from there to the cipher and to the other file.
In a real program the key would come from a key management service, a passphrase or a sealed store, rather than from
a file beside the data.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from securemem import SecureBytes, scrub

if TYPE_CHECKING:
    from io import FileIO

KEY_BYTES = 32
CHUNK = 16 * 1024
TAG = 16
VERSION = b"\x01"
PREFIX_BYTES = 7


class FileError(Exception):
    """A file is not what it should be; the text says how."""


def generate_key(path: Path) -> None:
    """Make a random key, and write it straight from locked memory to a new file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with SecureBytes.random(KEY_BYTES) as key:
            os.write(descriptor, key)
    finally:
        os.close(descriptor)


def read_key(path: Path) -> SecureBytes:
    """Read a key from a file straight into locked memory."""
    key = SecureBytes.zeros(KEY_BYTES)
    with path.open("rb", buffering=0) as file:  # a buffered file would keep a copy
        if os.fstat(file.fileno()).st_size != KEY_BYTES or file.readinto(key) != KEY_BYTES:
            key.wipe()
            raise FileError(f"{path} is not a key: it must have {KEY_BYTES} bytes")
    key.freeze()
    return key


def nonce_of(prefix: bytes, number: int, *, last: bool) -> bytes:
    """The nonce of one chunk."""
    return prefix + number.to_bytes(4, "big") + bytes([last])


def read_into(file: FileIO, view: memoryview) -> int:
    """Fill the view as far as the file goes."""
    done = 0
    while done < len(view) and (count := file.readinto(view[done:])):
        done += count
    return done


def encrypt(key: SecureBytes, source: FileIO, target: FileIO) -> None:
    """Encrypt one open file into another."""
    prefix = os.urandom(PREFIX_BYTES)
    target.write(VERSION + prefix)
    size = os.fstat(source.fileno()).st_size
    sealed = bytearray(CHUNK + TAG)
    with key.reveal() as secret:
        cipher = AESGCM(secret)
    with SecureBytes.zeros(CHUNK) as plain, plain.reveal(writable=True) as view:
        number = done = 0
        while True:
            length = read_into(source, view)
            done += length
            last = length < CHUNK or done == size
            with view[:length] as chunk, memoryview(sealed)[: length + TAG] as out:
                cipher.encrypt_into(nonce_of(prefix, number, last=last), chunk, VERSION, out)
                target.write(out)
            if last:
                return
            number += 1


def decrypt(key: SecureBytes, source: FileIO, target: FileIO) -> None:
    """Decrypt one open file into another; InvalidTag where anything in it was changed, after what came before it."""
    head = source.read(len(VERSION) + PREFIX_BYTES)
    if head[:1] != VERSION or len(head) != len(VERSION) + PREFIX_BYTES:
        raise FileError("this is not a file that this program encrypted")
    size = os.fstat(source.fileno()).st_size
    sealed = bytearray(CHUNK + TAG)
    with key.reveal() as secret:
        cipher = AESGCM(secret)
    with SecureBytes.zeros(CHUNK) as plain, plain.reveal(writable=True) as view, memoryview(sealed) as block:
        number, done, last = 0, len(head), False
        while not last:
            length = read_into(source, block)
            if length < TAG:
                raise FileError("the file was cut off")
            done += length
            last = done == size
            with view[: length - TAG] as chunk:
                cipher.decrypt_into(nonce_of(head[1:], number, last=last), block[:length], VERSION, chunk)
                target.write(chunk)
            number += 1


def convert(arguments: argparse.Namespace) -> None:
    """Encrypt or decrypt into a file that appears under its name only when it is whole."""
    partial = arguments.target.with_name(arguments.target.name + ".partial")
    work = encrypt if arguments.command == "encrypt" else decrypt
    try:
        with (
            read_key(arguments.key) as key,
            arguments.source.open("rb", buffering=0) as source,
            os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as target,
        ):
            work(key, source, target)
        partial.replace(arguments.target)
    finally:
        # The cipher is gone; what it left on the dead stack and in registers goes now.
        scrub()
        partial.unlink(missing_ok=True)


def main(argv: list[str] | None = None) -> int:
    """Run one of the three commands; 1 where it could not be done."""
    parser = argparse.ArgumentParser(description="Encrypt a file under a key in locked memory.")
    commands = parser.add_subparsers(dest="command", required=True)
    generate = commands.add_parser("generate", help="make a new key file")
    generate.add_argument("key", type=Path)
    for name in ("encrypt", "decrypt"):
        command = commands.add_parser(name, help=f"{name} SOURCE into TARGET")
        for argument in ("key", "source", "target"):
            command.add_argument(argument, type=Path)
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "generate":
            generate_key(arguments.key)
        else:
            convert(arguments)
    except InvalidTag:
        print("the file was changed, or this is not its key", file=sys.stderr)
        return 1
    except (FileError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
