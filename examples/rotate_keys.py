"""Rotate the key of a directory of encrypted records, while readers go on, and destroy the old version at the end.

    python examples/rotate_keys.py DIRECTORY < passphrase

Writes ten records, each a box under the key "records", bound to its file's name. Then it does what a service does once
in a while: makes a version ahead, promotes it, rewraps every box that an older version made, and only when none is left
destroys the old one. In between the store is locked, as it would be overnight, and unlocked by its passphrase.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from securemem import DecryptionError, KeyHandle, KeyStore, Passphrase, SecureBytes

LONGEST = 1024


def read_passphrase(descriptor: int) -> SecureBytes:
    """All of it, up to 1,024 bytes, by read(2) into locked memory; the end of the line is left out."""
    with SecureBytes.zeros(LONGEST) as buffer:
        with buffer.reveal(writable=True) as view:
            length = os.readv(descriptor, [view])
            if length and view[length - 1] == ord("\n"):
                length -= 1
        if length == 0:
            raise SystemExit("no passphrase on standard input")
        return buffer[:length]


def write_records(key: KeyHandle, directory: Path) -> None:
    """Ten records; a box opens only under the name it was made for."""
    for number in range(10):
        path = directory / f"{number}.box"
        path.write_bytes(key.encrypt(f"record {number}".encode(), path.name.encode()))


def read_records(key: KeyHandle, directory: Path) -> list[str]:
    """What the records say; each plaintext is in locked memory until it is shown."""
    texts = []
    for path in sorted(directory.glob("*.box")):
        with key.decrypt(path.read_bytes(), path.name.encode()) as plain, plain.reveal() as view:
            texts.append(str(view, "utf-8"))
    return texts


def rewrap_records(key: KeyHandle, directory: Path) -> int:
    """Bring every box to the primary version; may be stopped and begun again at any time. How many were moved."""
    moved = 0
    for path in sorted(directory.glob("*.box")):
        box = path.read_bytes()
        if key.needs_rewrap(box):
            fresh = path.with_suffix(".new")
            fresh.write_bytes(key.rewrap(box, path.name.encode()))
            fresh.replace(path)
            moved += 1
    return moved


def main() -> int:
    """Run the rotation; the exit status."""
    parser = argparse.ArgumentParser(description="rotate the key of a directory of encrypted records")
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)

    with read_passphrase(sys.stdin.fileno()) as secret:
        # A Passphrase is wiped by its one use: a program that unlocks later asks for it again.
        store = KeyStore(Passphrase(secret[:]), idle_timeout=3600)
        key = store.generate("records")
        write_records(key, directory)
        print(f"written:   {key}")

        ahead = key.rotate(pending=True)
        print(f"ahead:     {key}")
        key.promote(ahead.number)
        print(f"promoted:  {key}, old records read: {len(read_records(key, directory))}")

        store.lock()
        try:
            store.unlock(Passphrase(SecureBytes.copy_of(b"a wrong passphrase")))
        except DecryptionError:
            print("locked:    a wrong passphrase was refused")
        store.unlock(Passphrase(secret))

    print(f"rewrapped: {rewrap_records(key, directory)}, and again: {rewrap_records(key, directory)}")
    key.destroy(1)
    print(f"destroyed: {key}")
    print(f"read:      {', '.join(read_records(key, directory))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
