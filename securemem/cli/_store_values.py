"""`securemem store put, get, generate, rotate, public-key`: secrets in and out, and keys."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from securemem import Policy, doors
from securemem.cli._output import flush, write
from securemem.cli._store_access import opened
from securemem.cli._store_names import details_of
from securemem.exceptions import InvalidArgumentError, KeyPolicyError

if TYPE_CHECKING:
    import argparse

    from securemem.secure_bytes import SecureBytes

_INPUT, _OUTPUT = 0, 1
_KEEP = 5  # former values, unless it is said otherwise


def _given(arguments: argparse.Namespace) -> SecureBytes:
    if arguments.generate is not None:
        return doors.generate_password(arguments.generate)
    if arguments.fd is not None:
        return doors.read_fd(arguments.fd, strip_newline=not arguments.raw)
    if os.isatty(_INPUT):
        return doors.prompt(f"Secret for {arguments.name}: ", confirm="Again: ")
    return doors.read_fd(_INPUT, strip_newline=not arguments.raw)


def put(arguments: argparse.Namespace) -> int:
    """Keep a secret."""
    details = details_of(arguments)
    keep = details.pop("keep", None)
    with opened(arguments) as store:
        if keep is None and arguments.name not in store:
            keep = _KEEP
        store.put(arguments.name, _given(arguments), keep=keep)
        if details:
            store.set_details(arguments.name, **details)
    return 0


def get(arguments: argparse.Namespace) -> int:
    """Write it out."""
    terminal = sys.stdout is not None and os.isatty(_OUTPUT)
    if terminal and not arguments.show:
        raise InvalidArgumentError("standard output is a terminal: others may see it; --show writes it there anyway")
    with opened(arguments) as store:
        name = arguments.name
        secret = store.notes(name) if arguments.notes else store.get(name, former=arguments.former)
    with secret:
        flush()
        doors.write_fd(_OUTPUT, secret)
    if terminal:
        write("")
    return 0


def generate(arguments: argparse.Namespace) -> int:
    """Make a key."""
    with opened(arguments) as store:
        key = store.generate(arguments.name, arguments.algorithm, Policy(extractable=arguments.extractable))
        public = key.public_key().hex() if key.versions[0].public_key else None
    if arguments.json:
        write(json.dumps({"schema": 1, "name": arguments.name, "public_key": public}))
    elif public:
        write(public)
    return 0


def rotate(arguments: argparse.Namespace) -> int:
    """Make a new version of a key."""
    with opened(arguments) as store:
        if arguments.name in store and not store.item(arguments.name).algorithm:
            raise KeyPolicyError(f"{arguments.name!r} is a secret, no key: `put` a new one in its place")
        version = store[arguments.name].rotate().number
    write(json.dumps({"schema": 1, "version": version}) if arguments.json else f"version {version}")
    return 0


def public_key(arguments: argparse.Namespace) -> int:
    """Print it."""
    with opened(arguments) as store:
        public = store[arguments.name].public_key().hex()
    write(json.dumps({"schema": 1, "public_key": public}) if arguments.json else public)
    return 0
