"""The process as a whole: what an attacker finds in it, and how it is made harder to attack."""
