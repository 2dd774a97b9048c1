"""`value_type`: a dataclass that is frozen for the type checker and costs no more than an open one.

For the values that every text makes. Python freezes a class by setting each field through a
function of its own, which took a twentieth of a text's whole CPU time; mypy finds whoever changes
one all the same, at no cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as value_type
else:
    from dataclasses import dataclass

    def value_type(*, frozen, **how):
        """`@dataclass(frozen=True, …)`, with the freezing left to the type checker."""
        return dataclass(unsafe_hash=frozen, **how)


__all__ = ["value_type"]
