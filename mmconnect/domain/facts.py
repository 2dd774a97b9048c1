"""The facts of a log line, for programs: what the JSON format adds to the sentence.

`log.warning("…", extra=facts(delivery=…, ms=…))`: the names are those of the REST API where it has
one. Never a secret, a token, a text or a phone number.
"""

from __future__ import annotations

FACTS = "facts"
"""The attribute of a log record that holds them."""

Fact = str | int | float | bool | None


def facts(**named: Fact) -> dict[str, dict[str, Fact]]:
    """What to hand to a logger as `extra`; what is not known is left out."""
    return {FACTS: {name: value for name, value in named.items() if value is not None}}
