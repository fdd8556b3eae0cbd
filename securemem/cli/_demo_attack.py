"""The attacker of `securemem demo`: it starts a worker, gives it secrets, and searches its memory from outside."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from securemem.cli._demo_worker import KEY_BYTES, PROMPT, TEXT_BYTES, VARIABLE, Given
from securemem.exceptions import ScanRefusedError
from securemem.scanning import Needle, forms_of, scan_process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    from securemem.scanning import Copies

KEY, TYPED, TOKEN, ENTRY, HEADER = "key", "typed", "token", "entry", "header"
MOMENTS = {"plain": ("used", "released"), "protected": ("open", "used", "released")}

# The worker imports from where this process does, whatever its working directory is.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from securemem.cli._demo_worker import main; "
    "sys.exit(main(sys.argv[2], sys.argv[3]))"
)
_PATIENCE = 60  # bytes of a prompt's other output


class WorkerError(Exception):
    """A worker could not do its work; the text says why."""


class Found(NamedTuple):
    """Copies of one secret at one moment."""

    unlocked: int
    locked: int


class Attack(NamedTuple):
    """What the attacker learnt of one worker.

    found: by moment, then by secret. refusal: why the kernel did not let it scan, or "". told: what the worker told.
    """

    found: Mapping[str, Mapping[str, Found]]
    refusal: str
    told: Mapping[str, Any]


def _named(secret: str, value: bytes) -> list[Needle]:
    return [Needle(f"{secret}: {one.form}", one.pattern, one.within) for one in forms_of(value)]


def _counted(copies: Copies, names: list[str]) -> dict[str, Found]:
    unlocked: Counter[str] = Counter()
    locked: Counter[str] = Counter()
    for place in copies.where:
        (locked if place.locked else unlocked)[place.form.partition(":")[0]] += place.count
    return {name: Found(unlocked[name], locked[name]) for name in names}


def _receive(worker: subprocess.Popen[bytes], length: int | None) -> bytes:
    """So many bytes, or a line, of what the worker writes."""
    stream = cast("IO[bytes]", worker.stdout)
    received = stream.readline() if length is None else stream.read(length)
    if len(received) != length and not received.endswith(b"\n"):
        _, errors = worker.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        raise WorkerError(lines[-1] if lines else f"the worker ended with status {worker.returncode}")
    return received


def _type(terminal: int, text: bytes) -> None:
    """Type a line when the prompt is there: what is typed before is thrown away, as by every prompt for passwords."""
    shown = b""
    while not shown.endswith(PROMPT.encode()):
        try:
            part = os.read(terminal, _PATIENCE)
        except OSError:  # the worker ended: its own words say why
            return
        shown += part
    os.write(terminal, text + b"\n")


def _file(stack: ExitStack, content: bytes) -> int:
    """An open file of this content, on no disk."""
    descriptor = os.memfd_create("securemem-demo")
    stack.callback(os.close, descriptor)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _terminal(stack: ExitStack) -> tuple[int | None, int | None]:
    """A terminal to type at: its two ends; None where there is none to be had."""
    with suppress(OSError):
        ours, theirs = os.openpty()
        stack.callback(os.close, ours)
        stack.callback(os.close, theirs)
        return ours, theirs
    return None, None


def attack(kind: str, file: int) -> Attack:
    """Run one worker and scan it at each moment.

    kind: "plain" or "protected". file: an open file to encrypt. Raises WorkerError, and OSError where not even the
    worker can be started.
    """
    given_names = (TYPED, TOKEN, ENTRY, HEADER)
    values = {name: secrets.token_urlsafe(TEXT_BYTES)[:TEXT_BYTES].encode() for name in given_names}
    with ExitStack() as stack:
        ours, theirs = _terminal(stack)
        if theirs is None:
            del values[TYPED]
        document = b'{"user": "demo", "password": "%s"}' % values[ENTRY]
        given = Given(
            file,
            theirs,
            credential=_file(stack, values[TOKEN]),
            document=_file(stack, document),
            header=_file(stack, values[HEADER]),
        )
        environment = dict(os.environ)
        if kind == "plain":
            environment[VARIABLE] = values[TOKEN].decode()
        worker = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", _START, json.dumps(sys.path), kind, json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[number for number in given if number is not None],
            env=environment,
            start_new_session=True,  # so that the terminal can become its own
        )
        with worker:
            try:
                return _observe(worker, kind, values, ours)
            except (BrokenPipeError, ProcessLookupError) as error:
                raise WorkerError(f"the worker was ended from outside: {error}") from error
            finally:
                worker.kill()  # nothing where it has ended by itself


def _observe(worker: subprocess.Popen[bytes], kind: str, values: dict[str, bytes], terminal: int | None) -> Attack:
    needles = _named(KEY, _receive(worker, KEY_BYTES))
    for name, value in values.items():
        needles += _named(name, value)
    if terminal is not None:
        _type(terminal, values[TYPED])
    found: dict[str, dict[str, Found]] = {}
    told: dict[str, Any] = {}
    refusal = ""
    for moment in MOMENTS[kind]:
        told |= json.loads(_receive(worker, None))
        try:
            found[moment] = _counted(scan_process(worker.pid, needles), [KEY, *values])
        except ScanRefusedError as error:
            refusal = error.strerror or str(error)
        go_on = cast("IO[bytes]", worker.stdin)
        go_on.write(b".")
        go_on.flush()
    return Attack(found, refusal, told)
