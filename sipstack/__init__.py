"""sipstack: a complete SIP stack for Python on Trio."""
