"""Encrypt the lines of a file under data keys that OpenBao or Vault wraps, and decrypt them again.

    pip install 'securemem[transit]'
    python examples/envelope_with_vault.py encrypt KEY <lines >boxes
    python examples/envelope_with_vault.py decrypt KEY <boxes >lines

KEY is the name of a key of the transit engine. The service's address is in BAO_ADDR or VAULT_ADDR; the token is the
credential `bao-token`, as systemd or Docker give it (see docs/how-to/services.md).

Each line becomes a box of its own, by base64. The service is asked once for many lines: the data key that it wraps
encrypts for 5 minutes. It is in locked memory, and each box carries it, wrapped. No line is in another place than the
pipe that it came by: it is read into locked memory, and written from there.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

import hvac

from securemem import SecureBytes, doors
from securemem.exceptions import SecureMemError
from securemem.keystore.envelope import Envelope
from securemem.keystore.kek.transit import Transit

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 1 << 20  # bytes that are read in all


def lines() -> Iterator[SecureBytes]:
    """The lines of standard input, without their ends, each in locked memory."""
    with doors.read_fd(sys.stdin.fileno(), max_length=MOST) as text, doors.strip(text) as stripped:
        for line in doors.split(stripped, b"\n"):
            with line:
                yield line


def main() -> int:
    """Read the arguments, and encrypt or decrypt."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=["encrypt", "decrypt"])
    parser.add_argument("key", help="name of a key of the transit engine")
    arguments = parser.parse_args()

    address = os.environ.get("BAO_ADDR") or os.environ.get("VAULT_ADDR")
    client = hvac.Client(url=address, token="", timeout=5)
    out = sys.stdout.fileno()
    try:
        with doors.read_credential("bao-token", strip_newline=True) as token:
            kek = Transit(client, arguments.key, token=token)
            with Envelope(kek, context=b"examples/envelope_with_vault.py") as envelope:
                for line in lines():
                    if arguments.action == "encrypt":
                        with doors.encode_base64(SecureBytes.copy_of(envelope.encrypt(line))) as text:
                            doors.write_fd(out, text)
                    else:
                        with doors.decode_base64(line) as box, envelope.decrypt(box) as plain:
                            doors.write_fd(out, plain)
                    os.write(out, b"\n")
    except SecureMemError as error:
        print(f"envelope_with_vault.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
