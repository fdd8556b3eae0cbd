"""Ways for secrets to come in and go out without a copy beside the locked one.

In: `prompt`, `read_file`, `read_fd`, `read_env`, `read_credential`, `read_json_field`, `receive`, `decode_hex`,
`decode_base64`, `generate_password`, `generate_passphrase`. Between: `split`, `strip`, `concat`. Out: `encode_hex`,
`encode_base64`, `write_fd`, `as_file`, `run`. To other processes of ours: `hand_over`, `take_over`,
`allow_multiprocessing`. To libraries that insist on bytes or str: `with_bytes`, `with_str`; modules for some
libraries are in `securemem.adapters`.
"""

from __future__ import annotations

from securemem.doors._codec import decode_base64, decode_hex, encode_base64, encode_hex
from securemem.doors._copies import copies_kept, with_bytes, with_str
from securemem.doors._environment import read_credential, read_env
from securemem.doors._files import read_fd, read_file, read_json_field, receive, write_fd
from securemem.doors._handover import allow_multiprocessing, hand_over, take_over
from securemem.doors._passwords import generate_passphrase, generate_password
from securemem.doors._programs import MemoryFile, as_file, run
from securemem.doors._terminal import prompt
from securemem.doors._text import concat, split, strip

__all__ = [
    "MemoryFile",
    "allow_multiprocessing",
    "as_file",
    "concat",
    "copies_kept",
    "decode_base64",
    "decode_hex",
    "encode_base64",
    "encode_hex",
    "generate_passphrase",
    "generate_password",
    "hand_over",
    "prompt",
    "read_credential",
    "read_env",
    "read_fd",
    "read_file",
    "read_json_field",
    "receive",
    "run",
    "split",
    "strip",
    "take_over",
    "with_bytes",
    "with_str",
    "write_fd",
]
