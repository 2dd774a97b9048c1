"""Patterns: RE2, within bounds, and what is wrong with one in words.

RE2 (github.com/google/re2/wiki/Syntax) takes time proportional to pattern times text, never more;
both are bounded here, so that the worst pattern on the longest text costs a fraction of a second.
Importing this module loads no engine: the first pattern does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from mmconnect.webhook.letters import composed

SEARCHED = 5_000
"""Characters of a text that a pattern sees: more than 30 parts of an SMS."""
LARGEST = 1_500
"""Steps of RE2's program, for all patterns of an endpoint. The worst that was found, `(a?){700}b$`,
takes 10 ns for a step on a character on x86-64: with SEARCHED, 75 ms a text."""
MEMORY = 512 * 1024
"""Bytes that one pattern may take."""

_UNKNOWN = (
    (r"^invalid perl operator: \(\?<?[=!]", "RE2 knows no lookahead and no lookbehind"),
    (r"^invalid perl operator: \(\?>", "RE2 knows no atomic groups, and needs none"),
    (r"^invalid perl operator: \(\?#", "RE2 knows no comments"),
    (r"^invalid perl operator", "RE2 does not know this kind of group"),
    (r"^invalid escape sequence: \\[1-9k]", "RE2 knows no backreferences"),
    (r"^invalid escape sequence: \\Z", r"write \z for the end of the text"),
    (r"^invalid escape sequence: \\[uU]", r"write \x{20AC} for a character by its number"),
    (r"^invalid escape sequence", "RE2 does not know this escape"),
    (r"^bad repetition operator: \S\+", "RE2 knows no possessive repetition, and needs none"),
    (r"^bad repetition", "there are two repetitions in a row"),
    (r"^invalid repetition size", "a repetition is {1000} at the most, also of repetitions"),
    (r"^pattern too large", "the pattern is too large; use smaller repetitions"),
    (r"^missing \]", "a [ has no ]"),
    (r"^missing \)", "a ( has no )"),
    (r"^unexpected \)", "a ) has no ("),
    (r"^no argument for repetition", "there is nothing before a repetition to repeat"),
    (r"^invalid character class range", "a range in [ ] ends before it begins"),
    (r"^trailing \\", "a backslash at the end escapes nothing"),
)


class BadPattern(ValueError):
    """A pattern that cannot be used; its text says why."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind} ({detail})" if detail else kind)
        self.kind = kind
        """The reason without anything of the pattern, fit for a log."""


class Pattern:
    """A pattern that is looked for anywhere, without regard to case."""

    __slots__ = ("_regexp", "size")

    def __init__(self, regexp: Any) -> None:
        self._regexp = regexp
        self.size: int = max(regexp.programsize, regexp.reverseprogramsize)
        """Steps of its program."""

    def search(self, text: str) -> bool:
        """Whether the first SEARCHED characters of a text have it somewhere."""
        seen = composed(text[:SEARCHED]).encode("utf-8", "replace")
        return self._regexp.search(seen) is not None


@lru_cache(maxsize=256)
def compile(pattern: str) -> Pattern:
    """Prepare a pattern. Raises BadPattern."""
    try:
        import re2
    except ImportError:
        raise BadPattern(
            "there is no pattern engine for this machine (google-re2); compare by contains, exact"
            " or prefix"
        ) from None
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.dot_nl = False
    options.log_errors = False
    options.max_mem = MEMORY
    written = composed(pattern).encode("utf-8", "replace")
    try:
        found = Pattern(re2.compile(written, options))
    except re2.error as error:
        raise _bad(error) from None
    if found.size > LARGEST:
        raise BadPattern("the pattern is too large; use smaller repetitions")
    return found


def _bad(error: Exception) -> BadPattern:
    said = error.args[0] if error.args else b""
    told = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    for beginning, kind in _UNKNOWN:
        if re.search(beginning, told):
            return BadPattern(kind, told)
    return BadPattern("it is no pattern that RE2 understands", told)
