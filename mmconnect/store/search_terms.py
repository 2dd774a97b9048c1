"""What somebody looks for, taken apart: which pieces a message must have, and whether it matches.

A box is a number as a whole, or words that must all be there, in the text or the sender; words
between quotation marks stay together. Pure. Invariant: whatever matches() has the pieces that
are asked for, so an index of pieces hides nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmconnect.store.grams import digits, fold, pieces

_NUMBER = re.compile(r"[+(]*[\d\s().\-/+]*\d[\d\s().\-/]*", re.ASCII)
_FEWEST = 3
"""Digits that make a number worth looking for as one."""
_WORDS = re.compile(r'"([^"]*)"?|(\S+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """The parts of a message that terms look at, folded."""

    text: str
    sender: str
    numbers: tuple[str, ...]
    """The digits of the sender, in each way that it is written."""


def searched(
    text: str, subject: str | None, sender: str | None, sender_raw: str | None
) -> Searched:
    """The parts of a message that terms look at."""
    return Searched(
        text=fold(text) if subject is None else f"{fold(text)}\n{fold(subject)}",
        sender="\n".join([fold(one) for one in (sender, sender_raw) if one]),
        numbers=tuple([digits(one) for one in (sender, sender_raw) if one]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One thing that must be there, in any of some forms."""

    text: str | None = None
    """Folded; somewhere in text or subject."""
    sender: str | None = None
    """Folded; somewhere in the sender."""
    numbers: tuple[str, ...] = ()
    """Digits; any of them somewhere in the sender's."""

    def matches(self, what: Searched) -> bool:
        """Whether a message has it."""
        return (
            (self.text is not None and self.text in what.text)
            or (self.sender is not None and self.sender in what.sender)
            or any(n in own for n in self.numbers for own in what.numbers)
        )

    def alternatives(self) -> list[set[str]]:
        """Pieces of which a message that matches has all of one set; [] when nothing is known."""
        forms = {form for form in (self.text, self.sender, *self.numbers) if form is not None}
        found = [pieces(form) for form in sorted(forms)]
        return found if all(found) else []


def of_box(box: str) -> tuple[Term, ...]:
    """The terms of a box that takes a number or words."""
    if is_number(box):
        whole = fold(box)
        return (Term(text=whole, sender=whole, numbers=_written(box)),)
    return tuple(
        Term(text=word, sender=word, numbers=_written(word) if is_number(word) else ())
        for word in _words(box)
    )


def of_text(text: str) -> tuple[Term, ...]:
    """The terms of words that must all be in the text."""
    return tuple(Term(text=word) for word in _words(text))


def of_number(number: str) -> tuple[Term, ...]:
    """The term of a sender: a number or a part of one, or a name."""
    whole = fold(number)
    if not whole:
        return ()
    return (Term(sender=whole, numbers=_written(number) if is_number(number) else ()),)


def is_number(text: str) -> bool:
    """Whether somebody who writes this means a number."""
    return _NUMBER.fullmatch(text.strip()) is not None and len(digits(text)) >= _FEWEST


def _written(number: str) -> tuple[str, ...]:
    """Its digits, also without the zeros that stand for a country or an area."""
    found = digits(number)
    bare = found.lstrip("0")
    return (found,) if len(bare) < _FEWEST or bare == found else (found, bare)


def _words(text: str) -> list[str]:
    """Folded words and phrases, each once."""
    found = [fold(phrase or word) for phrase, word in _WORDS.findall(text)]
    return list(dict.fromkeys(word for word in found if word))
