"""What turns objects into text, bytes or structures keeps no copy of a secret: seen by a scanner from outside.

Each way is taken with the key in a SecureBytes, and with the control as a str of hex digits, as programs keep it: there
the same scan finds more copies than before.
"""

from __future__ import annotations

import pytest

from securemem.scanning import scan_process

PREPARE = """
import copy, gc, io, json, logging, pdb, pickle, pprint, traceback, warnings
warnings.simplefilter("ignore")
key = SecureBytes.random(32)
raw = fill(bytearray(32))
tell(key); tell(raw)
control = raw.hex()
log = io.StringIO()
logging.basicConfig(stream=log, level=logging.DEBUG)
kept = []

def refused(work):
    try: kept.append(work())
    except TypeError: return
    except Exception as error: kept.append(str(error))

def use(secret):
{way}

stand_still()
use(key); stand_still()
use(control); stand_still()
"""
WAYS = {
    "repr in containers": "kept.append((repr([secret]), repr({1: (secret,)}), pprint.pformat([secret])))",
    "logging": "logging.info('token %r', secret); logging.warning('%s', secret); kept.append(log.getvalue())",
    "an exception's text": """
    try: raise ValueError(secret, f"refused: {secret!r}")
    except ValueError: kept.append(traceback.format_exc())""",
    "a traceback with locals": """
    try: 1 / 0
    except ZeroDivisionError as error:
        kept.append("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))""",
    "warnings": """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always"); warnings.warn(repr(secret))
    kept.append(str(caught[0].message))""",
    "pickle": "refused(lambda: pickle.dumps(secret))",
    "copy": "refused(lambda: copy.deepcopy(secret if secret is key else bytearray(secret.encode())))",
    "json": "refused(lambda: json.dumps({'key': secret}, default=lambda one: list(one)))",
    "pdb": """
    out = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO("p secret\\npp secret\\nargs\\nc\\n"), stdout=out, nosigint=True)
    debugger.use_rawinput = False
    debugger.runcall(lambda value: value, secret)
    kept.append(out.getvalue())
    kept.append(repr(secret))""",
    "gc.get_objects": """
    holders = [one for one in gc.get_objects() if isinstance(one, (tuple, list)) and any(x is secret for x in one)]
    kept.append(repr(holders) + repr((secret,)))""",
}


def hex_copies(attacked):
    """Copies of the control's hex digits."""
    return sum(place.count for place in scan_process(attacked.pid, attacked.control).where if place.form == "hex")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_it_keeps_no_copy_of_a_secret(prey, way):
    """The key stays in its slot alone; the control, taken the same way, is found in more places than before."""
    body = way if way.startswith("\n") else f"    {way}"
    attacked = prey(PREPARE.replace("{way}", body))
    attacked.learn()
    attacked.wait()
    before = hex_copies(attacked)
    assert before >= 1
    for _ in range(2):
        assert attacked.scan().key == (1, 0)
        attacked.next()
    assert attacked.scan().key == (1, 0)
    assert hex_copies(attacked) > before


def test_faulthandler_tells_no_byte(prey):
    """Its report of a dying process names frames only; the control is that the report is there."""
    attacked = prey("""
import faulthandler
faulthandler.enable()
key, control = SecureBytes.random(32), bytes(fill(bytearray(32)))
tell(key); tell(control)
def fatal(secret, other):
    stand_still()
    os.kill(os.getpid(), signal.SIGSEGV)
fatal(key, control)
""")
    attacked.learn()
    attacked.wait()
    attacked.go_on()
    attacked.process.wait()
    said = attacked._errors.read()
    assert b"Fatal Python error: Segmentation fault" in said
    assert b"in fatal" in said
    assert not any(one.pattern in said for one in (*attacked.key, *attacked.control))
