"""Protection: how the kernel protects a secret's memory, as `SecureBytes.protection` reads it back."""

from __future__ import annotations

from securemem._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

__all__ = ["Protection"]


class Protection(Frozen):
    """What holds now for the pages of one secret, by /proc/self/smaps and not by what was asked for.

    locked: they stay in RAM and are not swapped out (VmFlags `lo`, and all of them are in RAM now; secret memory
        stays there whatever its flags say).
    dump_excluded: they are left out of core dumps (`dd`).
    fork_policy: "inherited": forked children get the secret, because its arena has fork="inherit", or the kernel does
        not exclude its pages; else "excluded" (`dc`) or "zeroed" (`wf`).
    fork_excluded: the kernel gives them to no child now (`dc`). Inherited pages too are excluded but for the moment of
        a fork, so that a child made by clone(2) without fork handlers gets none.
    backend: "mlock" or "memfd_secret".
    guarded: no access is possible just below and just above their run.
    closed: nobody has a window open on them, and they are without access.
    mergeable: the kernel may merge them with equal pages (KSM, `mg`).
    huge_pages: the kernel may hold them in a huge page.
    blocks_hibernation: while such memory lives the kernel refuses to hibernate the machine (memfd_secret(2)).
    failed_close: the kernel refused to close them after a window, and has not yet done so.
    """

    locked: bool
    dump_excluded: bool
    fork_policy: Literal["excluded", "zeroed", "inherited"]
    backend: Literal["mlock", "memfd_secret"]
    guarded: bool
    closed: bool
    mergeable: bool
    huge_pages: bool
    blocks_hibernation: bool
    failed_close: bool
    fork_excluded: bool
