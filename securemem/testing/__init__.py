"""What proves: where copies of a secret are, for everybody's tests; and the kernel held to its specification.

`scan`, `scan_core` and `scan_file` say of each copy where it lies. `assert_no_copies` and `Watcher` look at this
process from another one. The pytest plugin has the fixture `canary`. Only tests, the command and users import this
package: needles are copies of a secret in ordinary memory, in the process that searches.
"""

from __future__ import annotations

from securemem.testing._needles import aes_round_keys, hmac_pads, needles_of
from securemem.testing._reports import Copy, Report
from securemem.testing._scan import scan, scan_core, scan_file
from securemem.testing._watcher import Watcher, assert_no_copies

__all__ = [
    "Copy",
    "Report",
    "Watcher",
    "aes_round_keys",
    "assert_no_copies",
    "hmac_pads",
    "needles_of",
    "scan",
    "scan_core",
    "scan_file",
]
