"""The limits of the sender in tests, in seconds: longer than any machine stands still."""

TOTAL = 100.0
"""For the whole exchange."""
CONNECT = 60.0
"""For the connection, and within which a kept one may show that it was closed before."""
