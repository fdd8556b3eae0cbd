"""The needles that attacks look for: every form that `securemem.testing` knows."""

from __future__ import annotations

from securemem.testing import aes_round_keys, hmac_pads
from securemem.testing import needles_of as every_form_of

__all__ = ["aes_round_keys", "every_form_of", "hmac_pads"]
