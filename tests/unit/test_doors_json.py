"""One string of a JSON file, read in locked memory: equal to the standard library, and strict."""

from __future__ import annotations

import json
import os
import random

import pytest

from securemem import statistics
from securemem.doors import read_json_field
from securemem.exceptions import (
    EmptyInputError,
    ExposedFileError,
    FormatError,
    InputTooLongError,
    InvalidArgumentError,
    MissingFileError,
    MissingSecretError,
)
from tests.support.doors import bytes_of


@pytest.fixture
def field(tmp_path):
    """The string at a pointer of a text."""
    path = tmp_path / "secrets.json"

    def read(text, pointer, **options):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        before = statistics().live_secrets
        try:
            return bytes_of(read_json_field(path, pointer, **options)).decode()
        finally:
            assert (statistics().live_secrets, statistics().open_windows) == (before, 0)

    return read


DOCUMENT = {
    "password": "s3cret",
    "nested": {"deep": [{"key": "in an array"}, "second", ["x", "y"]]},
    "a/b": "slash",
    "m~n": "tilde",
    "": "no name",
    "é": "accent",
    "0": "zero",
    "escapes": 'quote " backslash \\ slash / tab \t newline \n nul \u0001 é € 😀',
}
POINTERS = {
    "/password": "s3cret",
    "/nested/deep/0/key": "in an array",
    "/nested/deep/1": "second",
    "/nested/deep/2/1": "y",
    "/a~1b": "slash",
    "/m~0n": "tilde",
    "/": "no name",
    "/é": "accent",
    "/0": "zero",
    "/escapes": DOCUMENT["escapes"],
}


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(("pointer", "value"), POINTERS.items())
def test_the_string_at_a_pointer(field, pointer, value, ascii_only, indent):
    """Whatever the layout and the escapes."""
    assert field(json.dumps(DOCUMENT, ensure_ascii=ascii_only, indent=indent), pointer) == value


def test_the_whole_text_may_be_the_string(field):
    """The empty pointer names the document."""
    assert field('  "alone"\n', "") == "alone"


@pytest.mark.parametrize(
    "pointer",
    ["/missing", "/password/x", "/nested/deep/3", "/nested/deep/00", "/nested/deep/-", "/nested/deep/-1", "/Password"],
)
def test_a_pointer_to_nothing(field, pointer):
    """It is a LookupError that tells how pointers are written."""
    with pytest.raises(MissingSecretError, match="RFC 6901"):
        field(json.dumps(DOCUMENT), pointer)


@pytest.mark.parametrize("value", ["1", "-0.5e+3", "true", "false", "null", "[]", "{}", '["x"]', '{"y":"z"}'])
def test_a_pointer_to_another_thing_than_a_string(field, value):
    """A number and all else are refused."""
    with pytest.raises(FormatError, match="let it name a string"):
        field(f'{{"x":{value}}}', "/x")


def test_two_fields_of_one_name(field):
    """It is not known which is meant; elsewhere in the file they are no matter."""
    with pytest.raises(FormatError, match="two fields"):
        field('{"x":"one","x":"two"}', "/x")
    with pytest.raises(FormatError, match="two fields"):
        field('{"x":"one","\\u0078":"two"}', "/x")
    assert field('{"y":"one","y":"two","x":"good"}', "/x") == "good"


def test_an_empty_string_is_an_error(field):
    """A secret has at least one byte."""
    with pytest.raises(EmptyInputError):
        field('{"x":""}', "/x")


@pytest.mark.parametrize("pointer", ["password", "/a~b", "/a~2", "~0"])
def test_what_is_no_pointer(field, pointer):
    """Before the file is looked at."""
    with pytest.raises(InvalidArgumentError):
        field("{}", pointer)
    with pytest.raises(TypeError):
        read_json_field("x", 5)


def test_depth_is_bounded(field):
    """64 levels are taken, 65 are not: neither of the file nor of the pointer."""
    for depth, good in ((64, True), (65, False), (100_000, False)):
        text = "[" * depth + '"x"' + "]" * depth
        pointer = "/0" * min(depth, 64)
        if good:
            assert field(text, pointer) == "x"
        else:
            with pytest.raises(FormatError, match="64 levels"):
                field(text, pointer)
    with pytest.raises(FormatError, match="64 levels"):
        field("[]", "/0" * 65)


def test_the_files_own_errors(tmp_path, field):
    """They are those of read_file; a descriptor is taken too."""
    with pytest.raises(MissingFileError):
        read_json_field(tmp_path / "missing", "/x")
    with pytest.raises(InputTooLongError):
        field('{"x":"12345678"}', "/x", max_length=5)
    path = tmp_path / "open.json"
    path.write_text('{"x":"shared"}')
    path.chmod(0o644)
    with pytest.raises(ExposedFileError):
        read_json_field(path, "/x")
    with path.open("rb") as file:
        assert bytes_of(read_json_field(file.fileno(), "/x")) == b"shared"


MALFORMED = [
    b"", b"{", b"}", b"[", b'{"x"', b'{"x":', b'{"x":"', b'{"x":"a"', b'{"x":"a",}', b'{"x":"a"}}', b'{"x":"a"} 1',
    b"{,}", b'{"x" "a"}', b"{x:1}", b"[1,]", b"[1 2]", b"01", b"-", b"1.", b".5", b"1e", b"+1", b"tru", b"nul",
    b"True", b"NaN", b"Infinity", b'"\\x"', b'"\\u12"', b'"\\ud800"', b'"\\ud800\\u0041"', b'"\\udc00"', b'"a\nb"',
    b'"\x01"', b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b"'x'",
    b'\xef\xbb\xbf"x"', b'"\\u00zz"', b'/**/"x"', b'"x"\0', b"\x0b1",
]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_not_json(field, text):
    """A file that is cut short or malformed is refused, and nothing of it repeated."""
    with pytest.raises((FormatError, EmptyInputError)) as caught:
        field(text, "")
    assert text == b"" or "not JSON from byte" in str(caught.value)


def test_every_cut_and_every_change_of_a_text(field):
    """What is taken of a damaged text is what the standard library reads of it: never a wrong string."""
    text = json.dumps({"a": [1.5e3, True, None, {"b": "x\n\u00e9"}], "key": "v\u20ac"}).encode()
    pick = random.Random(1)
    for at in range(len(text)):
        for damaged in (
            text[:at],
            text[:at] + bytes([pick.randrange(256)]) + text[at + 1 :],
            text[:at] + text[at + 1 :],
        ):
            try:
                expected = json.loads(damaged.decode(), object_pairs_hook=_once)["key"]
            except (ValueError, KeyError, TypeError, IndexError):
                expected = None
            try:
                found = field(damaged, "/key")
            except (FormatError, EmptyInputError, MissingSecretError):
                found = None
            if not (isinstance(expected, str) and expected and not _has_surrogate(expected)):
                expected = None
            if found != expected:
                assert b"NaN" in damaged or b"Infinity" in damaged or b"\\ud" in damaged, damaged


def _once(pairs):
    if len({name for name, _ in pairs}) != len(pairs) and [name for name, _ in pairs].count("key") > 1:
        raise ValueError
    return dict(pairs)


def _has_surrogate(text):
    return any(0xD800 <= ord(letter) < 0xE000 for letter in text)


def test_random_documents(field):
    """Every string of 300 random documents is found by its pointer, equal to what the standard library reads."""
    pick = random.Random(2)
    compared = 0
    for _ in range(300):
        document = _random_value(pick, 4)
        text = json.dumps(document, ensure_ascii=pick.random() < 0.5, indent=pick.choice([None, 1]))
        for pointer, value in _strings(document, ""):
            assert field(text, pointer) == value
            compared += 1
    assert compared > 100


def _random_value(pick, depth):
    kind = pick.randrange(7 if depth else 5)
    if kind < 3:
        return "".join(pick.choice('ab"\\/\n\té€😀\x7f\u0001~') for _ in range(pick.randrange(1, 12)))
    if kind == 3:
        return pick.choice([0, -1.5, 1e300, True, False, None])
    if kind in {4, 5}:
        return {f"k{i}/~é": _random_value(pick, max(depth - 1, 0)) for i in range(pick.randrange(4))}
    return [_random_value(pick, depth - 1) for _ in range(pick.randrange(4))]


def _strings(value, pointer):
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _strings(inner, f"{pointer}/{at}")


def test_large_strings(field):
    """A string of 500,000 bytes, with escapes."""
    value = "x\né" * 100_000
    assert field(json.dumps({"x": value}), "/x") == value
    assert os.sysconf("SC_PAGE_SIZE") < len(value)
