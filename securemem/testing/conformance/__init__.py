"""The running kernel held to the specification of the mlock family, statement by statement.

Each row stages one statement in a child process of its own, says what it saw, and compares. The sources disagree with
each other and with kernels: a difference is a finding to read, and no failure of the machine.
"""

from __future__ import annotations

from securemem.testing.conformance._rows import Row, all_rows
from securemem.testing.conformance._run import Outcome, Verdict, run

__all__ = ["Outcome", "Row", "Verdict", "all_rows", "run"]
