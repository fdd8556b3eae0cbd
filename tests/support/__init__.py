"""What tests share: child programs, builds of the core, the processes that are attacked, the interruptions.

Tests and child programs import it as `tests.support`; `programs` starts child programs so that they find it.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the checkout, or the copy of it that is tested
