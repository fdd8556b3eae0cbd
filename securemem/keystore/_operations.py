"""The operations on keys, each with its rules and the functions that do it: one table, read by all who need to know.

`Gate.use(function, version, …)` does an operation. Which one it is, and so which rules hold, this table says by the
function; policies read the usages here, and the audit the names.
"""

from __future__ import annotations

from typing import Literal

from securemem._frozen import Frozen
from securemem.keystore import _boxes, _codes, _streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem.keystore._algorithms import Purpose
    from securemem.keystore.policy import Usage

__all__ = ["OPERATIONS", "OPERATION_OF", "USAGES", "Operation", "usages_of"]

Rule = Literal["protects", "makes", "reads"]


class Operation(Frozen):
    """One operation on a key.

    name: as the audit hears it; also the usage that a policy needs to have. A session needs one of encrypt and decrypt.
    purpose: of the keys that it is for.
    rule: "protects": by the primary version only; "makes": by active versions too; both only in the key's time, and
        counted. "reads": whatever time and count are.
    functions: what does it.
    """

    name: Usage | Literal["session"]
    purpose: Purpose
    rule: Rule
    functions: tuple[Callable[..., object], ...]

    @property
    def counted(self) -> bool:
        """Whether it takes a ticket, and has to be in the key's time."""
        return self.rule != "reads"


OPERATIONS = (
    Operation(
        "encrypt",
        "encryption",
        "protects",
        (_boxes.encrypt, _boxes.encrypt_into, _boxes.encrypt_kept, _boxes.encrypt_into_kept, _streams.begin),
    ),
    Operation(
        "decrypt",
        "encryption",
        "reads",
        (_boxes.decrypt, _boxes.decrypt_into, _boxes.decrypt_kept, _boxes.decrypt_into_kept, _streams.resume),
    ),
    Operation("session", "encryption", "reads", (_boxes.keep,)),
    Operation("wrap", "wrapping", "protects", (_boxes.wrap,)),
    Operation("unwrap", "wrapping", "reads", (_boxes.unwrap,)),
    Operation("mac", "authentication", "protects", (_codes.mac,)),
    Operation("verify_mac", "authentication", "reads", (_codes.verify_mac,)),
    Operation("sign", "signing", "protects", (_codes.sign,)),
    Operation("verify", "signing", "reads", (_codes.verify,)),
    Operation("agree", "agreement", "makes", (_codes.agree,)),
    Operation("derive", "derivation", "makes", (_codes.derive,)),
)
OPERATION_OF = {function: one for one in OPERATIONS for function in one.functions}
# The words for policies, each with the purpose that it is of.
USAGES: dict[Usage, Purpose] = {one.name: one.purpose for one in OPERATIONS if one.name != "session"}


def usages_of(purpose: Purpose) -> frozenset[Usage]:
    """All usages of one purpose."""
    return frozenset(usage for usage, own in USAGES.items() if own == purpose)
