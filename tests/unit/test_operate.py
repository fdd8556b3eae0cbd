"""operate(): what an operation acquired is ended in C, whatever its work raised, however long its exception is kept."""

from __future__ import annotations

import array
import gc
import sys
import weakref

import pytest

from securemem import Arena, SecureBytes, WipedError
from securemem._binding.operations import operate
from securemem.exceptions import SizeError, SourceError

DEPTH = 16 * 1024


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
