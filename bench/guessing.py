"""Whether the time of an answer tells anything of a key, a cookie or a password that is guessed.

A structural test holds that hashes are compared in constant time (tests/admin/test_keys.py); this
looks at the whole way, through a real socket, and compares distributions: `python -m
bench.guessing`. For each pair the two medians and the share of pairs of samples in which the first
was slower (0.5: no difference), which has to lie within what two halves of one kind differ by.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from mmconnect.desk import keys
from mmconnect.store import api_keys
from tests.support.door import Browser, House, house_of

ROUNDS = 600
NEAR = 0.06
"""Away from 0.5; two halves of the same kind differ by about 0.03 with so many rounds."""

Guess = Callable[[], Awaitable[object]]


async def timed(one: Guess, other: Guess) -> tuple[list[float], list[float]]:
    """Both in turns, so that whatever else the machine does is done to both."""
    took: tuple[list[float], list[float]] = ([], [])
    for n in range(ROUNDS):
        for which in ((0, 1), (1, 0))[n % 2]:
            begun = time.perf_counter()
            await (one, other)[which]()
            took[which].append(time.perf_counter() - begun)
    return took


def slower(one: list[float], other: list[float]) -> float:
    """The share of pairs in which the first is the slower one (Mann and Whitney's U)."""
    wins = sum(a > b for a in one for b in other)
    return wins / (len(one) * len(other))


async def keys_that_are_guessed(house: House) -> dict[str, tuple[Guess, Guess]]:
    """The key but for its last letter, and one that has nothing of it."""
    key, secret = keys.fresh(house.box.ids, name="x", now=house.box.clock.now())
    await house.box.database.write(lambda db: api_keys.add(db, key))
    near = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    far = keys.PREFIX + "".join("z" if c != "z" else "y" for c in secret[len(keys.PREFIX) :])

    def guess(given: str) -> Guess:
        return lambda: house.desk.keys.show(given, "192.0.2.7")

    return {"a key, nearly right": (guess(near), guess(far))}


async def cookies_that_are_guessed(house: House, owner: Browser) -> dict[str, tuple[Guess, Guess]]:
    """The cookie but for its last letter, and one that has nothing of it."""
    cookie = owner.cookies["mmconnect"]

    def guess(given: str) -> Guess:
        browser = house.browser()
        browser.cookies = {"mmconnect": given}
        return lambda: browser.get("/settings")

    return {"a cookie, nearly right": (guess(cookie[:-1] + "_"), guess("z" * len(cookie)))}


async def main() -> int:
    """Measure, and say so; 1 when something differs."""
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        async with house_of(Path(directory)) as house:
            owner = await house.set_up()
            pairs = await keys_that_are_guessed(house)
            pairs |= await cookies_that_are_guessed(house, owner)
            for name, (one, other) in pairs.items():
                first, second = await timed(one, other)
                share = slower(first, second)
                wrong += abs(share - 0.5) > NEAR
                print(
                    f"{name}: {statistics.median(first) * 1e6:.0f} µs,"
                    f" {statistics.median(second) * 1e6:.0f} µs; slower in {share:.3f} of pairs"
                )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
