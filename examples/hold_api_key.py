"""Hold an API token in locked memory, sign request bodies with it, and wipe it.

    printf %s "$TOKEN" | python examples/hold_api_key.py BODY_FILE [BODY_FILE ...]

The token is read from standard input into a bytearray, as a program would get it from a socket or a vault. It is taken
into locked memory, which wipes the bytearray. For each body the program prints the headers of a signed request:
a timestamp, and HMAC-SHA-256 over timestamp and body. Not even root finds the token afterwards: it is wiped at the end.
"""

from __future__ import annotations

import hmac
import sys
import time
from pathlib import Path

from securemem import SecureBytes, scrub

LONGEST_TOKEN = 4096


def receive_token() -> SecureBytes:
    """Read the token from standard input; the buffer that it came in is wiped, of whatever length the token is."""
    received = bytearray(LONGEST_TOKEN)
    with open(0, "rb", buffering=0, closefd=False) as stdin, memoryview(received) as view:
        length = 0
        while length < len(received) and (count := stdin.readinto(view[length:])):
            length += count
    with SecureBytes.take(received) as padded:
        if length == 0:
            raise ValueError("no token on standard input")
        token = padded[:length]
    token.freeze()
    return token


class RequestSigner:
    """Signs requests with a token that only this object holds."""

    def __init__(self, token: SecureBytes) -> None:
        self._token = token

    def headers(self, body: bytes, timestamp: int) -> dict[str, str]:
        """The headers that go with a body."""
        try:
            signature = hmac.digest(self._token, b"%d\n%b" % (timestamp, body), "sha256")
        finally:
            scrub()  # the hash leaves the key, padded, on the dead stack
        return {"X-Timestamp": str(timestamp), "X-Signature": signature.hex()}

    def close(self) -> None:
        """Wipe the token; no request can be signed any more."""
        self._token.wipe()


def main(argv: list[str] | None = None) -> int:
    """Sign the body in each file; 2 where there is no token or no body."""
    bodies = sys.argv[1:] if argv is None else argv
    if not bodies:
        print("usage: hold_api_key.py BODY_FILE [BODY_FILE ...], the token on standard input", file=sys.stderr)
        return 2
    try:
        signer = RequestSigner(receive_token())
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        for name in bodies:
            for header, value in signer.headers(Path(name).read_bytes(), int(time.time())).items():
                print(f"{header}: {value}")
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        signer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
