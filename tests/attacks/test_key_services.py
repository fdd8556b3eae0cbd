"""An attacker reads the memory of a process whose root key a service or device wraps and unwraps.

The root key has no copy but the locked ones. The 32 bytes that the service seals pass through its client's memory: the
copies that stay are counted, and no more than the guide to key services states.
"""

from __future__ import annotations

import pytest

from tests.support import key_services

PROGRAM = """
from contextlib import ExitStack
from pathlib import Path
from securemem.keystore.kek import _service
from tests.support import key_services
stack = ExitStack()
service = stack.enter_context(key_services.{kind}({folder}))
kek = service.kek(timeout=10)
kek.unwrap(kek.wrap(SecureBytes.random(32), b"warm"), b"warm")
root, own = SecureBytes.random(32), SecureBytes.random(32)
control = fill(bytearray(32))
tell(root)
tell(control)
with kek.unwrap(kek.wrap(root, b"context"), b"context") as got:
    assert got == root
    stand_still()
class Planted:
    zeros = SecureBytes.zeros
    def random(size):
        return SecureBytes.copy_of(own)
_service.SecureBytes = Planted
tell(own)
tell(control)
with kek.unwrap(kek.wrap(root, b"context"), b"context") as got:
    assert got == root
    stand_still()
stack.close()
stand_still()
"""
# Copies of what the service seals that lie in ordinary memory after a wrapping and an unwrapping, at most.
STAY = {"transit": 5, "aws_kms": 2, "pkcs11": 1, "tpm": 3, "secret_service": 4}


@pytest.mark.parametrize("kind", STAY)
def test_copies(prey, tmp_path, kind):
    """The root key: two locked ones, of the two objects, and no other. What the service seals: as many as stated."""
    key_services.check_installed(kind)
    folder = f"Path({str(tmp_path)!r})" if kind in {"pkcs11", "tpm", "secret_service"} else ""
    attacked = prey(PROGRAM.format(kind=kind, folder=folder))
    attacked.learn()
    attacked.wait()
    found = attacked.scan()
    assert found.key == (2, 0)
    assert found.control[1] >= 1
    attacked.go_on()
    attacked.learn()
    attacked.wait()
    found = attacked.scan()
    assert found.control[1] >= 1
    assert found.key[0] == 1
    assert found.key[1] <= STAY[kind]
    attacked.next()  # the services are stopped
