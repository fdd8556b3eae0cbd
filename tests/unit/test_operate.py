"""operate(): what an operation acquired is ended in C, whatever its work raised, however long its exception is kept."""

from __future__ import annotations

import array
import contextlib
import gc
import os
import sys
import weakref

import pytest

from securemem import Arena, SecureBytes, WipedError
from securemem._binding.operations import operate
from securemem.exceptions import SizeError, SourceError
from tests.support.interruption import descriptors

DEPTH = 16 * 1024
OWN = os.getpid()


def function_of(module, source):
    """The function `work` of a source, as if it stood in that module."""
    names = {"__name__": module}
    exec(source, names)
    return names["work"]


class Cipher:
    """Stands for an object that holds a key."""


def kept(module, source, *arguments):
    """The exception of a failed operation, kept with its traceback, and what was alive in the work's frame."""
    held = []
    with pytest.raises(ZeroDivisionError) as caught:
        operate(DEPTH, function_of(module, source), *arguments, held)
    return caught.value, [reference() for reference in held]


HOLDING = """
import weakref
def work(scope, make, held):
    cipher = make()
    held.append(weakref.ref(cipher))
    1 / 0
"""


@pytest.mark.parametrize("module", ["securemem.crypto.kdf", "securemem", "cryptography.hazmat.primitives.ciphers"])
def test_frames_of_ours_let_go_while_the_exception_is_kept(module):
    """A cipher in the locals of a failed operation is gone, and the exception still has its traceback."""
    error, (cipher,) = kept(module, HOLDING, Cipher)
    assert cipher is None
    assert error.__traceback__.tb_next is not None


@pytest.mark.parametrize("module", ["application", "securemem_plugin", "cryptographyx"])
def test_frames_of_others_are_left_alone(module):
    """Positive control: what the user's own function held is still in its frame."""
    error, (cipher,) = kept(module, HOLDING, Cipher)
    assert isinstance(cipher, Cipher)
    assert str(error) == "division by zero"


CHAINED = """
import weakref
def first(make, held):
    cipher = make()
    held.append(weakref.ref(cipher))
    raise KeyError
def work(scope, make, held):
    try:
        first(make, held)
    except KeyError:
        1 / 0
"""


@pytest.mark.parametrize("source", [CHAINED, CHAINED.replace("1 / 0", "raise ZeroDivisionError from ValueError()")])
def test_frames_of_the_context_and_the_cause_let_go_too(source):
    """The exception that another one came from has a traceback of its own."""
    error, (cipher,) = kept("securemem.crypto", source, Cipher)
    assert isinstance(error.__context__, KeyError)
    assert cipher is None


def test_a_circular_chain_ends():
    """Somebody made an exception its own cause's cause: the walk is bounded."""

    def work(_scope):
        first, second = ValueError(), KeyError()
        first.__cause__, second.__cause__ = second, first
        raise first

    with pytest.raises(ValueError, match=r"^$"):
        operate(DEPTH, work)


def test_frame_that_still_runs_is_left():
    """The work calls an operation inside it, which fails: its own frame goes on with its locals."""
    inner = function_of("securemem.inner", "def work(scope): 1 / 0")
    outer = function_of(
        "securemem.outer",
        """
def work(scope, operate, inner):
    mark = "kept"
    try: operate(0, inner)
    except ZeroDivisionError: return mark
""",
    )
    assert operate(DEPTH, outer, operate, inner) == "kept"


@pytest.mark.parametrize("fails", [False, True])
def test_views_and_their_parts_are_released(fails):
    """Afterwards no window is open, and the secret can be wiped, with the views still in somebody's hands."""
    seen = []

    def work(scope, secret):
        view = scope.read(secret, "the secret")
        target = scope.write(secret, "the secret")
        seen.extend([view, scope.part(view, 1, 3), target, scope.part(target, 0, 2)])
        assert bytes(seen[1]) == b"bc"
        if fails:
            raise KeyError

    with Arena() as arena:
        secret = SecureBytes.copy_of(b"abcd", arena=arena)
        if fails:
            with pytest.raises(KeyError):
                operate(DEPTH, work, secret)
        else:
            operate(DEPTH, work, secret)
        assert arena.statistics().open_windows == 0
        for view in seen:
            with pytest.raises(ValueError, match="released"):
                bytes(view)
        secret.wipe()


def test_a_slice_that_is_not_registered_keeps_the_window_open():
    """Positive control: [] makes a view that outlives its parent's release."""
    with Arena() as arena:
        secret = SecureBytes.copy_of(b"abcd", arena=arena)
        loose = operate(DEPTH, lambda scope: scope.read(secret, "it")[1:])
        assert arena.statistics().open_windows == 1
        loose.release()


def test_target_of_a_failed_operation_is_wiped():
    """A buffer of the caller does not keep what was written into it; one of a good operation, the control, does."""

    def work(scope, out, error):
        scope.write(out, "out")[:] = b"half"
        if error:
            raise error

    out, secret = bytearray(4), SecureBytes.zeros(4)
    for target in (out, secret):
        operate(DEPTH, work, target, None)
        assert target == b"half"
        with pytest.raises(KeyError):
            operate(DEPTH, work, target, KeyError())
        assert target == bytes(4)


def test_received_bytes_are_moved_and_zeroed():
    """The bytes that a function made are zero where they lie; a target that is shorter takes their beginning."""
    made = []

    def make(value):
        made.append(bytes(bytearray(value)))
        return made[-1]

    def work(scope, out):
        scope.receive(scope.write(out, "out"), make, b"abcdef")

    out = SecureBytes.zeros(4)
    operate(DEPTH, work, out)
    assert out == b"abcd"
    assert made == [bytes(6)]
    with pytest.raises(SystemError, match="too few"):
        operate(DEPTH, work, bytearray(7))
    assert made == [bytes(6)] * 2


@pytest.mark.parametrize("method", ["read", "write"])
def test_one_rule_for_buffers(method):
    """A buffer in one piece is taken byte for byte, whatever its items; others are told what to do."""

    def work(scope, buffer):
        return getattr(scope, method)(buffer, "the data").nbytes

    assert operate(DEPTH, work, array.array("I", [1, 2])) == 8
    assert operate(DEPTH, work, memoryview(bytearray(8)).cast("B", (2, 4))) == 8
    assert operate(DEPTH, work, bytearray()) == 0
    with pytest.raises(SourceError, match=r"^the data must be contiguous: copy it"):
        operate(DEPTH, work, memoryview(bytearray(8))[::2])
    with pytest.raises(TypeError, match=r"^the data must be bytes-like, not str: encode it first"):
        operate(DEPTH, work, "text")
    with pytest.raises(TypeError, match=r"^the data must be bytes-like, .* not <class 'NoneType'>"):
        operate(DEPTH, work, None)
    secret = SecureBytes.zeros(3)
    secret.wipe()
    with pytest.raises(WipedError):
        operate(DEPTH, work, secret)


def test_target_must_be_writable():
    """Bytes are no target."""
    with pytest.raises(TypeError, match=r"^out must be writable, such as a SecureBytes or a bytearray$"):
        operate(DEPTH, lambda scope: scope.write(b"abc", "out"))


def test_scope_is_of_use_in_its_operation_only():
    """Who keeps it acquires nothing more with it."""
    scope = operate(DEPTH, lambda scope: scope)
    with pytest.raises(RuntimeError, match="its operation is over"):
        scope.read(b"abc", "it")
    with pytest.raises(TypeError):
        type(scope)()


def test_views_are_bounded():
    """An operation that takes views without end is told so, and they are released."""

    def work(scope, secret):
        while True:
            scope.read(secret, "it")

    with Arena() as arena:
        secret = SecureBytes.zeros(4, arena=arena)
        with pytest.raises(RuntimeError, match="too many views"):
            operate(DEPTH, work, secret)
        assert arena.statistics().open_windows == 0


def test_recursion_error_in_the_work_ends_as_others_do():
    """At the depth limit frames are still cleared and views released."""
    arena = Arena()
    secret = SecureBytes.zeros(4, arena=arena)
    held = []
    dive = function_of(
        "securemem.dive",
        """
def dive(cipher, scope):
    view = scope.read(cipher.secret, "it") if scope else None
    dive(cipher, None)
def work(scope, make, secret, held):
    import weakref
    cipher = make()
    cipher.secret = secret
    held.append(weakref.ref(cipher))
    dive(cipher, scope)
""",
    )
    with pytest.raises(RecursionError) as caught:
        operate(DEPTH, dive, Cipher, secret, held)
    gc.collect()
    assert held[0]() is None
    assert arena.statistics().open_windows == 0
    assert caught.value.__traceback__ is not None


def test_result_passes_through_and_no_reference_is_kept():
    """What the work gives is given; arguments are not held beyond the operation."""
    cipher = Cipher()
    reference = weakref.ref(cipher)
    before = sys.getrefcount(SizeError)
    assert operate(0, lambda _scope, one, two: (one, two), 1, SizeError) == (1, SizeError)
    assert operate(0, lambda _scope, one: id(one), cipher) == id(cipher)
    assert sys.getrefcount(SizeError) == before
    del cipher
    assert reference() is None


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_registered_is_called_at_the_end_in_c(fails, tmp_path):
    """Last first: at_end() in any case, on_failure() where it failed, and the release of what was acquired."""
    removed, kept, calls, opened = tmp_path / "removed", tmp_path / "kept", [], []
    removed.touch()
    kept.touch()

    def work(scope):
        scope.at_end((calls.append, "first registered"), (calls.append, "with it"))
        scope.at_end((calls.append, "second"))
        scope.on_failure((os.unlink, kept))
        scope.at_end((os.unlink, removed))
        file = scope.acquire(os.close, os.open, kept, os.O_RDONLY)
        opened.append(scope.keep(os.close, os.open, kept, os.O_RDONLY))
        os.fstat(file)
        if fails:
            raise KeyboardInterrupt
        return file

    before = descriptors()
    if fails:
        with pytest.raises(KeyboardInterrupt):
            operate(0, work)
    else:
        assert operate(0, work) > 2
        os.close(opened[0])
    assert calls == ["second", "with it", "first registered"]
    assert not removed.exists()
    assert kept.exists() is not fails
    assert descriptors() == before


def test_of_two_exceptions_the_first_is_told():
    """What a call at the end raises is told where the operation was right, and dropped where it failed."""

    def work(scope, divisor):
        scope.at_end((os.close, -1))
        scope.at_end((done.append, 1))
        return 1 / divisor

    done = []
    with pytest.raises(OSError, match="Bad file descriptor"):
        operate(0, work, 1)
    with pytest.raises(ZeroDivisionError) as caught:
        operate(0, work, 0)
    assert caught.value.__context__ is None
    assert done == [1, 1]


def test_only_compiled_functions_are_called_at_the_end():
    """One of Python could be interrupted itself, and so is refused; so are more than there is room for."""

    def work(scope, register):
        register(scope)

    done = []
    for register in (
        lambda scope: scope.at_end((done.append, 1), (lambda: None,)),
        lambda scope: scope.on_failure((done.append, 1), ()),
        lambda scope: scope.on_failure((done.append, 1), done.append),
        lambda scope: scope.acquire(os.close, lambda: 1),
        lambda scope: scope.acquire(lambda _: None, len, ""),
        lambda scope: scope.keep(os.close),
    ):
        with pytest.raises(TypeError, match="compiled function"):
            operate(0, work, register)
    with pytest.raises(RuntimeError, match="too much"):
        operate(0, work, lambda scope: scope.at_end(*[(done.append, 1)] * 9))
    assert done == []


def test_an_ended_scope_takes_no_calls():
    """What is registered after the end would never be called."""
    scope = operate(0, lambda scope: scope)
    for register in (scope.at_end, scope.on_failure):
        with pytest.raises(RuntimeError, match="ended"):
            register((len, ""))


def test_a_forked_child_makes_no_calls(tmp_path):
    """The end of an operation that began in the parent removes nothing in the child: it does so in the parent."""
    place = tmp_path / "file"
    place.touch()

    def work(scope):
        scope.at_end((os.unlink, place))
        return os.fork()

    child = operate(0, work)
    if child == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert not place.exists()
    place.touch()

    def in_child(scope):
        scope.at_end((os.unlink, place))
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return place.exists()
        raise ChildProcessError

    with contextlib.suppress(ChildProcessError):
        assert operate(0, in_child)
    if os.getpid() != OWN:
        os._exit(0)
    assert not place.exists()
