"""A fork from inside a transfer: the child is refused, and leaves the parent's work alone."""

from __future__ import annotations

import io
import os

import pytest

from securemem import ForkedError, KeyStore

SIZE = 300_000


class StopError(Exception):
    """Ends the child's part."""


class Forks:
    """A progress callback that forks once. How the child ended is its number in `status`."""

    def __init__(self, *, stops: bool) -> None:
        self.stops, self.child, self.status = stops, -1, -1

    def __call__(self, _done: int) -> None:
        """Fork at the first call; the parent goes on when the child has ended."""
        if self.child >= 0:
            return
        self.child = os.fork()
        if self.child == 0 and self.stops:
            raise StopError
        if self.child > 0:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


def run_with(forks, work):
    """Do the work in both processes; only the parent returns. The child ends with 0 where it was refused as wanted."""
    try:
        result = work()
    except BaseException as error:
        if forks.child == 0:
            os._exit(0 if isinstance(error, StopError if forks.stops else ForkedError) else 3)
        raise
    if forks.child == 0:
        os._exit(4)
    return result


@pytest.mark.parametrize("stops", [True, False], ids=["the child raises", "the child goes on"])
def test_fork_in_a_file_transfer(tmp_path, stops):
    """The child ends the transfer without removing the parent's file, which is then whole."""
    key = KeyStore().generate("key", "AES-256-GCM")
    plain, box, again = tmp_path / "plain", tmp_path / "box", tmp_path / "again"
    plain.write_bytes(os.urandom(SIZE))
    for work, source, target in ((key.encrypt_file, plain, box), (key.decrypt_file, box, again)):
        forks = Forks(stops=stops)
        run_with(forks, lambda work=work, a=source, b=target, on=forks: work(a, b, progress=on))
        assert forks.status == 0
    assert again.read_bytes() == plain.read_bytes()
    assert {one.name for one in tmp_path.iterdir()} == {"plain", "box", "again"}


@pytest.mark.parametrize("stops", [True, False], ids=["the child raises", "the child goes on"])
def test_fork_in_a_stream(stops):
    """The child makes no chunk under a nonce that the parent uses too; it is refused, and does not crash."""
    key = KeyStore().generate("key", "AES-256-GCM")
    plain, out, again = os.urandom(SIZE), io.BytesIO(), io.BytesIO()
    forks = Forks(stops=stops)
    run_with(forks, lambda: key.encrypt_stream(io.BytesIO(plain), out, progress=forks))
    assert forks.status == 0
    out.seek(0)
    key.decrypt_stream(out, again)
    assert again.getvalue() == plain
