"""A service that signs requests with a key that the service manager hands over.

    systemd:  LoadCredential=signing-key:/etc/keys/signing-key   (in the unit)
    Docker:   --secret signing-key                               (Podman, Swarm: it lies in /run/secrets)

    python examples/service_credentials.py TEXT [TEXT ...]

It prints the HMAC-SHA-256 of each text. The key is read straight into locked memory; the file holds it in hex.
"""

from __future__ import annotations

import hmac
import sys
from typing import TYPE_CHECKING

from securemem.doors import decode_hex, read_credential
from securemem.exceptions import FormatError, MissingSecretError

if TYPE_CHECKING:
    from securemem import SecureBytes


def signing_key() -> SecureBytes:
    """Read the key; the hex digits are wiped."""
    with read_credential("signing-key", strip_newline=True, max_length=4096) as digits:
        key = decode_hex(digits)
    key.freeze()
    return key


def main() -> int:
    """Sign the arguments."""
    try:
        key = signing_key()
    except (MissingSecretError, FormatError) as error:
        print(f"no key: {error}", file=sys.stderr)
        return 1
    with key:
        for text in sys.argv[1:]:
            print(hmac.digest(key, text.encode(), "sha256").hex())
    return 0


if __name__ == "__main__":
    sys.exit(main())
