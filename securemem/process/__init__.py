"""The process as a whole: what an attacker finds in it, and how it is made harder to attack."""

from __future__ import annotations

from securemem.process._advice import Finding, findings
from securemem.process._facts import Report
from securemem.process._hardening import Change, Hardening, harden
from securemem.process._report import report

__all__ = ["Change", "Finding", "Hardening", "Report", "findings", "harden", "report"]
