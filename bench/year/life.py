"""What happens in the year: texts, outages, restarts, moves, and somebody who looks at pages.

Each is a task of its own, and ends with the last day.
"""

from __future__ import annotations

import asyncio
import time

from bench.year.book import DAY, HOUR, MINUTE
from bench.year.house import ADDRESSES, FETCHED, SHARE, Year
from bench.year.people import Browser
from tests.support.lan import machine_has, machine_loses
from tests.support.service import DB
from tests.support.smsgate_phone import SmsgatePhone

RHYTHM = [1, 1, 1, 1, 1, 2, 4, 9, 14, 16, 16, 14, 15, 14, 13, 13, 14, 15, 14, 10, 7, 5, 3, 2]
"""How the texts of a day are spread over its hours."""
OUTAGES = ("down", "503", "500", "hang", "404")
WORDS = "your parcel is on its way and will be with you between nine and eleven in the morning"
PAGES = ("/", "/messages", "/deliveries", "/endpoints", "/phones", "/help", "/settings/backup")
DOCTOR = "/help/doctor"
BEGUN = time.monotonic()


async def texts(year: Year, fetched: SmsgatePhone) -> None:
    """The texts of every day, each at its second."""
    chance, last = year.chance("texts"), 0.0
    for day in range(year.days):
        came = []
        for _ in range(year.texts_a_day):
            hour = chance.choices(range(24), RHYTHM)[0]
            phone = chance.choices(list(SHARE), list(SHARE.values()))[0]
            came.append((day * DAY + hour * HOUR + chance.random() * HOUR, phone))
        for at, phone in sorted(came):
            last = max(float(round(at)), last + 1)  # texts have whole seconds
            if last > year.loop.time():
                await asyncio.sleep(last - year.loop.time())
            number = year.book.new(phone)
            sender = f"+4915{list(SHARE).index(phone)}000{chance.randrange(40):04d}"
            text = f"{number} {WORDS[: chance.randrange(20, 80)]}"
            sent = year.loop.begun + round(last) * 1000
            if phone == FETCHED:
                fetched.receive(sender, text, sent_at=sent / 1000)
            else:
                year.phones[phone].receive(number, sender, text, sent)


async def outages(year: Year) -> None:
    """One a week, of hours, each time another receiver and another trouble."""
    chance = year.chance("outages")
    for week in range(-(-year.days // 7)):
        if week and week * 7 > year.days - 4:
            return  # the last texts are to arrive within the year
        begin = week * 7 * DAY + chance.uniform(8, 14) * HOUR
        await asyncio.sleep(begin - year.loop.time())
        name = ("crm", "archive", "by-name")[week % 3]
        how = OUTAGES[week % len(OUTAGES)]
        year.held.append((name, how))
        await year.receivers[name].fails(how, chance.uniform(2, 7) * HOUR)


async def restarts(year: Year) -> None:
    """Once a month, in the busiest hour, with a while in which there is nobody."""
    chance = year.chance("restarts")
    for month in range(1, year.days // 30 + 1):
        await asyncio.sleep(month * 30 * DAY + 10 * HOUR - year.loop.time())
        if year.loop.time() >= (year.days - 1) * DAY:
            return
        await year.stop()
        year.book.expect(
            not (year.data / f"{DB}-wal").exists(), "a stop has left the write-ahead log"
        )
        await asyncio.sleep(chance.uniform(0, 20) * MINUTE)
        await year.start()


async def moves(year: Year, fetched: SmsgatePhone) -> None:
    """The machine's address changes twice, the fetched phone's once."""
    for day, old, new in ((20, *ADDRESSES[:2]), (45, *ADDRESSES[1:])):
        if day >= year.days:
            return
        await asyncio.sleep(day * DAY + 9 * HOUR - year.loop.time())
        machine_loses(old)
        machine_has(new)
        year.machine = new
        year.moved.append(day)
        await asyncio.sleep(3 * HOUR)  # somebody notices, and walks to the phones
        for name, phone in year.phones.items():
            phone.machine = new
            await year.cli("device", "set", year.devices[name], "--told")
    if year.days <= 60:
        return
    await asyncio.sleep(60 * DAY + 15 * HOUR - year.loop.time())
    await fetched._close_server()
    await asyncio.sleep(10 * MINUTE)
    fetched.host = "192.168.7.51"
    await fetched._open_server()
    fetched.app.ping()


async def looks(year: Year, fetched: SmsgatePhone) -> None:
    """Somebody looks at the pages on Mondays; phones forget old texts; a line each noon."""
    for day in range(year.days):
        await asyncio.sleep(day * DAY + 8.5 * HOUR - year.loop.time())
        if day % 7 == 0:
            browser = Browser(
                place=year.place,
                host="192.168.7.60",
                machine=year.machine,
                trust=year.trust,
                cookie=year.cookie,
            )
            for path in PAGES:
                await browser.open(path)
        await asyncio.sleep(day * DAY + 12 * HOUR - year.loop.time())
        forget(fetched, year.loop.now - 30 * 86_400_000)
        year.book.days.append(year.day(day))
        if day % 10 == 9 or year.days < 10:
            year.book.rows.append((day, year.rows()))
            real = time.monotonic() - BEGUN
            print(
                f"day {day}: {real:.0f} s, CPU {time.process_time():.0f} s, {year.book.days[-1]}",
                flush=True,
            )


def forget(phone: SmsgatePhone, before: int) -> None:
    """People delete old texts, apps old lines."""
    app = phone.app
    app.inbox.forget(before)
    app.queue.rows = [row for row in app.queue.rows if row.state in ("pending", "processing")]
    for listed in (app.queue.attempts, app.logs, phone.requests, app.notifications):
        del listed[:-50]
