"""The attacker's side: copies of a secret in another process or a file, found from outside.

It stands on nothing of securemem but its exceptions and the reader of memory maps, so that what it finds does not
depend on what it examines.
"""

from __future__ import annotations

from securemem.scanning._needles import Needle, forms_of, needle
from securemem.scanning._scanner import Copies, Place, scan_file, scan_process

__all__ = ["Copies", "Needle", "Place", "forms_of", "needle", "scan_file", "scan_process"]
