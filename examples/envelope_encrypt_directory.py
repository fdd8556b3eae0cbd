"""Encrypt every file of a directory under a key of its own, those keys under one key, and that under a passphrase.

    python examples/envelope_encrypt_directory.py encrypt DIRECTORY TARGET < passphrase
    python examples/envelope_encrypt_directory.py decrypt TARGET DIRECTORY < passphrase

The passphrase is read from standard input straight into locked memory, up to the end of the line. Argon2id derives the
key-encryption key from it; each file's key is wrapped by that (AES-KW). To change the passphrase, only the wrapped keys
would have to be written again. No key, passphrase or plaintext is ever in ordinary memory: a file is read into a
SecureBytes and encrypted from there.

TARGET/envelope.json has the salt and the cost; a file NAME becomes TARGET/NAME.sealed: the wrapped key (40 bytes) and
the ciphertext, with the file's name authenticated, so that files cannot be exchanged. It does not hide names and sizes,
descends into no directories, and holds one file at a time, of up to what can be locked, in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from securemem import DecryptionError, SecureBytes
from securemem.crypto import aead, argon2, wrap

SUFFIX = ".sealed"
WRAPPED = 40
HEADER = "envelope.json"
LONGEST = 1024


def read_passphrase(descriptor: int) -> SecureBytes:
    """One line, without its end, by read(2) into locked memory."""
    with SecureBytes.zeros(LONGEST) as line:
        with line.reveal(writable=True) as view:
            length = 0
            while length < LONGEST:
                with view[length : length + 1] as place:
                    if os.readv(descriptor, [place]) == 0 or view[length] == ord("\n"):
                        break
                length += 1
        if length == 0:
            raise SystemExit("the passphrase is empty: give one on standard input")
        return line[:length]


def read_file(path: Path) -> SecureBytes | None:
    """A file's bytes in locked memory; None where it has none, as no secret is empty."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return None
        content = SecureBytes.zeros(size)
        with content.reveal(writable=True) as view:
            done = 0
            while done < size:
                with view[done:] as rest:
                    count = os.readv(file.fileno(), [rest])
                if count == 0:
                    raise SystemExit(f"{path} became shorter while it was read")
                done += count
    return content


def write_file(path: Path, content: SecureBytes) -> None:
    """Write a secret's bytes, from where they lie, into a file for its owner only."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with content.reveal() as view:
            done = 0
            while done < len(view):
                with view[done:] as rest:
                    done += os.write(descriptor, rest)
    finally:
        os.close(descriptor)


def key_from(passphrase: SecureBytes, header: dict[str, str | int]) -> SecureBytes:
    """The key-encryption key, by the salt and cost of the header; the cost is bounded before it is used."""
    cost = argon2.Cost(int(header["memory_kib"]), int(header["passes"]))
    return argon2.argon2id(passphrase, bytes.fromhex(str(header["salt"])), cost=cost)


def encrypt(source: Path, target: Path, passphrase: SecureBytes) -> int:
    """Encrypt the files of source into target; how many."""
    target.mkdir(mode=0o700, exist_ok=True)
    cost = argon2.Cost()
    header: dict[str, str | int] = {
        "salt": os.urandom(16).hex(),
        "memory_kib": cost.memory_kib,
        "passes": cost.passes,
    }
    (target / HEADER).write_text(json.dumps(header))
    count = 0
    with key_from(passphrase, header) as kek:
        for path in sorted(one for one in source.iterdir() if one.is_file()):
            with SecureBytes.random(32) as secret:
                key = aead.Key(secret)
                content = read_file(path)
                sealed = key.encrypt(b"" if content is None else content, path.name.encode())
                (target / (path.name + SUFFIX)).write_bytes(wrap.wrap(kek, secret) + sealed)
                if content is not None:
                    content.wipe()
            count += 1
    return count


def decrypt(source: Path, target: Path, passphrase: SecureBytes) -> int:
    """Decrypt what encrypt() wrote to source into target; how many files. DecryptionError for what is not authentic."""
    target.mkdir(mode=0o700, exist_ok=True)
    count = 0
    with key_from(passphrase, json.loads((source / HEADER).read_text())) as kek:
        for path in sorted(source.glob("*" + SUFFIX)):
            name = path.name.removesuffix(SUFFIX)
            box = path.read_bytes()
            with wrap.unwrap(kek, box[:WRAPPED]) as secret:
                key = aead.Key(secret)
                if len(box) - WRAPPED == key.overhead:
                    key.decrypt_into(box[WRAPPED:], bytearray(), name.encode())
                    (target / name).write_bytes(b"")
                else:
                    with key.decrypt(box[WRAPPED:], name.encode()) as content:
                        write_file(target / name, content)
            count += 1
    return count


def main(arguments: list[str] | None = None) -> int:
    """Read the arguments and the passphrase; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["encrypt", "decrypt"])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args(arguments)
    with read_passphrase(sys.stdin.fileno()) as passphrase:
        try:
            count = (encrypt if options.action == "encrypt" else decrypt)(options.source, options.target, passphrase)
        except DecryptionError:
            print("wrong passphrase, or a file was changed", file=sys.stderr)
            return 1
    print(f"{options.action}ed {count} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
