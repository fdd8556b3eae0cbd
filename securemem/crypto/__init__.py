"""Cryptography on secrets in locked memory; the only part of securemem that imports `cryptography`."""
