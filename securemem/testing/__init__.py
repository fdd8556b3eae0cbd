"""What proves: the kernel held to its specification. For tests, the command and users; nothing else imports it."""
