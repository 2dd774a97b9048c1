"""Composing letters gives what Unicode says, and takes no more time than a text is long."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest

from mmconnect.webhook.letters import PIECE, composed

MARKS = "\u0301\u0323\u0327"
POOL = (
    "ae é ß İ 한 短 🙂 \u212b \u0340" + MARKS  # Latin, wholes and halves
    + "\u1112\u1161\u11ab"  # a Korean syllable in its three parts
    + "\u09c7\u09be\u0cc6\u0cc2\u0cd5\u0dd9\u0dcf\u0dca"  # vowels of two and three parts
)  # fmt: skip


def test_it_is_nfc_wherever_a_long_text_is_cut():
    dice = random.Random(7)
    for _ in range(2000):
        text = "".join(dice.choices(POOL, k=dice.randint(PIECE - 10, 5 * PIECE)))
        assert composed(text) == unicodedata.normalize("NFC", text), ascii(text)


@pytest.mark.parametrize("marks", [MARKS * 100_000, "\u0301" * 100_000 + "\u0323" * 100_000])
def test_a_stranger_cannot_stop_us_with_marks(marks: str):
    begun = time.process_time()
    assert len(composed("e" + marks)) <= len(marks)
    assert time.process_time() - begun < 10, "sorting all of them at once takes a minute and more"


def test_the_longest_run_that_is_no_mischief_is_kept_whole():
    text = "x" * PIECE + "e" + MARKS[::-1] * 10 + "y" * PIECE
    assert composed(text) == unicodedata.normalize("NFC", text)
