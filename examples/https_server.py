"""Serve a folder by HTTPS with a private key that is never in a buffer of Python's.

    python examples/https_server.py CERTIFICATE KEY [PORT]

CERTIFICATE and KEY are PEM files; the key's is for its owner only (mode 0600), and is read into locked memory. OpenSSL
gets it from a file that is only in memory. What OpenSSL keeps of it lies in its own memory for as long as the server
runs: `securemem run` does not change that. It prints the port when it listens.
"""

from __future__ import annotations

import http.server
import ssl
import sys

from securemem.adapters.ssl import load_cert_chain
from securemem.doors import read_file


def context_for(certificate: str, key: str) -> ssl.SSLContext:
    """A context with the certificate and the key; our own copy of the key is wiped."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with read_file(key) as pem:
        load_cert_chain(context, certificate, pem)
    return context


def main() -> int:
    """Serve until interrupted."""
    certificate, key, port = [*sys.argv[1:], "0"][:3]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), http.server.SimpleHTTPRequestHandler)
    server.socket = context_for(certificate, key).wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    with server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
