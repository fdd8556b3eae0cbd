"""The process as a whole: what an attacker finds in it, and how it is made harder to attack."""

from __future__ import annotations

from securemem.process.advice import Finding, findings
from securemem.process.facts import Report
from securemem.process.hardening import Change, Hardening, harden
from securemem.process.report import report

__all__ = ["Change", "Finding", "Hardening", "Report", "findings", "harden", "report"]
