"""Every app that has a guide, simulated, set up as its guide says, at one running mmconnect.

What differs between them is told by a `Sender`: whether it tries again, whether it still does so
after a restart, and how its own kind of repetition looks. Each has a network of its own, which
loses answers and goes away; phones that are fetched from have their own Wi-Fi beside it.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.push.conftest import Pusher
from tests.support.forwarders import (
    PRESET,
    IncomingSmsPhone,
    Server,
    SmsForwarderPhone,
    TaskerPhone,
    TermuxPhone,
)
from tests.support.lossy import Lossy, lossy
from tests.support.scripted import AutomatePhone, GuidedShortcut, MacroDroidPhone, Smsbox
from tests.support.service import Service, until
from tests.support.smsgate_phone import SmsgatePhone

KEY = "a-key-of-16-bytes-and-more"
EVENTS = ("sms:received", "system:ping", "app:started")


def nothing() -> None:
    """What does not concern an app."""


@dataclass(slots=True, kw_only=True)
class Sender:
    """One app."""

    name: str
    receive: Callable[[str, str], object]
    """A text comes in: its sender and words."""
    network: Lossy | None = None
    """Between it and mmconnect; None where it has to be asked itself."""
    asked: bool = False
    """Whether mmconnect fetches from it: less and less often while it is away."""
    waits: bool = True
    """Whether a text that could not be handed on is handed on later."""
    outlives: bool = True
    """Whether it still is when the sender was started anew meanwhile."""
    restart: Callable[[], object] = nothing
    lose: Callable[[int], object] = lambda count: None
    """The next answers are lost."""
    wifi: list[Callable[[bool], object]] = field(default_factory=list)
    twice: Callable[[str, str], object] | None = None
    """A text that it hands on twice, as it is known to do."""
    busy: Callable[[], object] = lambda: False
    """Whether something of it is still under way."""


class Everybody:
    """All of them, and where they push to."""

    def __init__(self, service: Service, folder: Path, stack: ExitStack) -> None:
        self.service, self.folder, self._stack = service, folder, stack
        self.smsbox: Smsbox
        self.senders = [make() for make in self._makers()]

    def __getitem__(self, name: str) -> Sender:
        return next(one for one in self.senders if one.name == name)

    def _makers(self) -> Iterator[Callable[[], Sender]]:
        yield self.smsgate
        yield self.smsgate_fetched
        yield self.smsgate_pushing
        for version in ("2.3.0", "2.4.0"):
            yield lambda version=version: self.incoming_sms(version)  # type: ignore[misc]
        for template in (PRESET, None):
            yield lambda template=template: self.smsforwarder(template)  # type: ignore[misc]
        yield self.smsforwarder_pushing
        yield self.tasker
        yield self.macrodroid
        yield self.automate
        yield self.automate_looping
        yield self.shortcuts
        yield self.termux
        yield self.gammu
        yield self.smstools
        yield self.kannel

    def _device(self, name: str, app: str, *words: str) -> tuple[dict[str, Any], Lossy, str]:
        """A device for it, a network, and the push URL through that."""
        added = self.service.cli("device", "add", "--name", name, "--app", app, *words)
        network = self._stack.enter_context(lossy(self.service.phone))
        port = f":{self.service.phone[1]}/"
        url = str(added["pushUrl"])
        assert port in url
        return added, network, network.url + "/" + url.partition(port)[2]

    # -- phones that are fetched from, too --------------------------------------------------------

    def _gate(self, name: str, number: int, **how: Any) -> SmsgatePhone:
        phone = SmsgatePhone(device_id=f"{number:032d}", **how)
        return self._stack.enter_context(phone)

    def _linked(self, name: str, app: str, url: str, password: str) -> dict[str, Any]:
        added = self.service.cli(
            *("device", "add", "--name", name, "--app", app, "--phone-url", url),
            *("--phone-password", password, "--poll", "1s"),
        )
        listed = "SELECT count(*) FROM phone_link_states WHERE device_id = ? AND read_at"
        if app == "smsforwarder":
            listed = "SELECT count(*) FROM phone_link_states WHERE device_id = ? AND listed_at"
        until(lambda: self.service.count(listed, added["id"]), "it was looked at")
        return dict(added)

    def smsgate(self) -> Sender:
        phone = self._gate("smsgate", 1)
        self._linked("smsgate", "smsgate", phone.url, "pass1234")
        until(lambda: len(phone.app.hooks) == 6, "it is told where to push")

        def twice(sender: str, text: str) -> None:
            phone.faults.doubles, phone.faults.repeats = 1, 1
            phone.receive(sender, text, copies=2, twin=True)

        return Sender(
            name="smsgate",
            asked=True,
            receive=phone.receive,
            restart=phone.restart,
            lose=phone.lose_answers,
            wifi=[phone.wifi],
            twice=twice,
            busy=lambda: phone.waiting,
        )

    def smsgate_fetched(self) -> Sender:
        phone = self._gate("fetched", 2)
        self._linked("fetched", "smsgate", phone.url, "pass1234")
        until(lambda: len(phone.app.hooks) == 6, "it is told where to push")
        phone.app.hooks.clear()

        def lose(count: int) -> None:
            phone.trouble.cut, phone.trouble.only, phone.trouble.times = True, "/inbox", count

        return Sender(
            name="smsgate, fetched alone",
            asked=True,
            receive=phone.receive,
            restart=phone.restart,
            lose=lose,
            wifi=[phone.wifi],
        )

    def smsgate_pushing(self) -> Sender:
        _, network, url = self._device("pushing", "smsgate", "--signing-key", KEY)
        phone = self._gate("pushing", 3, time_scale=0.001)
        phone.app.settings.all["webhooks"] |= {"signing_key": KEY, "internet_required": False}
        for event in EVENTS:
            phone.app.register({"id": event, "url": url, "event": event})

        def twice(sender: str, text: str) -> None:
            phone.faults.doubles, phone.faults.repeats = 1, 1
            phone.receive(sender, text)

        return Sender(
            name="smsgate, pushing alone",
            receive=phone.receive,
            network=network,
            restart=phone.restart,
            lose=lambda count: setattr(network, "lose", count),
            wifi=[network.wifi],
            twice=twice,
            busy=lambda: phone.waiting,
        )

    def smsforwarder(self, template: str | None) -> Sender:
        name = f"smsforwarder, {'preset' if template else 'form'}"
        phone = SmsForwarderPhone(
            "http://127.0.0.1:9/", template=template, server=Server(key=KEY), key=KEY
        )
        self._stack.enter_context(phone)
        added = self._linked(name, "smsforwarder", phone.server_url, KEY)
        self.service.cli("device", "set", added["id"], "--signing-key", KEY)
        network = self._stack.enter_context(lossy(self.service.phone))
        phone.url = network.url + "/in/" + added["token"]

        def restart() -> None:
            phone.kill_app()
            phone.start()

        def server(on: bool) -> None:
            phone.trouble.reset = not on

        return Sender(
            name=name,
            asked=True,
            receive=phone.receive,
            network=network,
            restart=restart,
            lose=lambda count: setattr(network, "lose", count),
            wifi=[network.wifi, server],
            twice=lambda sender, text: phone.receive(sender, text, copies=2),
            busy=lambda: phone.waiting,
        )

    # -- apps on a phone that push alone ----------------------------------------------------------

    def smsforwarder_pushing(self) -> Sender:
        """With what its guide lets people set: retries, and the task that sends failed ones."""
        _, network, url = self._device("task", "smsforwarder", "--signing-key", KEY)
        phone = SmsForwarderPhone(url, key=KEY, retries=10, time_scale=0.01)
        self._stack.enter_context(phone)

        def restart() -> None:
            phone.kill_app()
            phone.start()

        def busy() -> bool:
            """The automatic task, which comes by now and then."""
            return bool(phone.waiting or phone.resend())

        return Sender(
            name="smsforwarder, pushing alone",
            receive=phone.receive,
            network=network,
            restart=restart,
            lose=lambda count: setattr(network, "lose", count),
            wifi=[network.wifi],
            twice=lambda sender, text: phone.receive(sender, text, copies=2),
            busy=busy,
        )

    def incoming_sms(self, version: str) -> Sender:
        words = ("--signing-key", KEY) if version >= "2.4" else ()
        _, network, url = self._device(version, "incoming_sms", *words)
        key = KEY if words else None
        phone = IncomingSmsPhone(url, version=version, key=key, retries=30, time_scale=0.0001)
        self._stack.enter_context(phone)

        def restart() -> None:
            phone.stop()
            phone.start()

        def twice(sender: str, text: str) -> None:
            """Two of its rules lead to the same URL."""
            at = 1_781_274_718.0
            for n in range(2):
                phone.receive(sender, text, sent_at=at, received_at=at + n)

        return Sender(
            name=f"incoming_sms {version}",
            receive=phone.receive,
            network=network,
            restart=restart,
            lose=lambda count: setattr(network, "lose", count),
            wifi=[network.wifi],
            twice=twice,
            busy=lambda: phone.waiting,
        )

    def _forgetful(self, app: str, make: Callable[[str], Any], *, dated: bool) -> Sender:
        _, network, url = self._device(app, app)
        phone = make(url)

        def twice(sender: str, text: str) -> None:
            for _ in range(2):
                phone.receive(sender, text, at=1_781_274_718.0)

        return Sender(
            name=app,
            receive=phone.receive,
            network=network,
            waits=False,
            lose=lambda count: setattr(network, "lose", count),
            wifi=[network.wifi],
            twice=twice if dated else None,
        )

    def tasker(self) -> Sender:
        return self._forgetful("tasker", TaskerPhone, dated=True)

    def macrodroid(self) -> Sender:
        return self._forgetful("macrodroid", MacroDroidPhone, dated=False)

    def automate(self) -> Sender:
        return self._forgetful("automate", AutomatePhone, dated=False)

    def shortcuts(self) -> Sender:
        return self._forgetful("shortcuts", GuidedShortcut, dated=False)

    def automate_looping(self) -> Sender:
        _, network, url = self._device("looping", "automate")
        flow = AutomatePhone(url, loops=True)
        self._stack.callback(flow.stop)
        return Sender(
            name="automate, looping",
            receive=flow.receive,
            network=network,
            outlives=False,
            restart=flow.stop,
            lose=lambda count: setattr(network, "lose", count),
            wifi=[network.wifi],
        )

    def termux(self) -> Sender:
        network, url = self._device("termux", "termux")[1:]
        phone = TermuxPhone(url)

        def run() -> bool:
            """The loop comes round; busy until a run with everything in it was taken."""
            return phone.repost(50) != 200

        def receive(sender: str, text: str) -> None:
            phone.receive(sender, text)
            run()

        def twice(sender: str, text: str) -> None:
            receive(sender, text)
            run()

        return Sender(
            name="termux",
            receive=receive,
            network=network,
            lose=lambda count: setattr(network, "lose", count),
            wifi=[network.wifi],
            twice=twice,
            busy=run,
        )

    # -- modems and servers -----------------------------------------------------------------------

    def _pusher(self, app: str) -> tuple[Pusher, Lossy]:
        added, network, _ = self._device(app, app)
        pusher = Pusher(self.folder / f"spool-{app}", network.url, added["token"])
        return pusher, network

    def _spooling(
        self, app: str, pusher: Pusher, network: Lossy, hand: Callable[[str, str, int], object]
    ) -> Sender:
        ids = itertools.count(1)
        self._stack.callback(pusher.kill_drains)

        def twice(sender: str, text: str) -> None:
            number = next(ids)
            hand(sender, text, number)
            hand(sender, text, number)

        def reboot() -> None:
            pusher.kill_drains()
            process = pusher.start("--drain", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self._stack.callback(process.wait, 30)
            self._stack.callback(pusher.kill_drains)

        return Sender(
            name=app,
            receive=lambda sender, text: hand(sender, text, next(ids)),
            network=network,
            restart=reboot,
            lose=lambda count: setattr(network, "lose", count),
            wifi=[network.wifi],
            twice=twice,
            busy=lambda: pusher.waiting,
        )

    def gammu(self) -> Sender:
        pusher, network = self._pusher("gammu")

        def hand(sender: str, text: str, number: int) -> None:
            told = {"SMS_MESSAGES": "1", "DECODED_PARTS": "0", "SMS_1_CLASS": "-1"}
            told |= {"SMS_1_NUMBER": sender, "SMS_1_TEXT": text}
            done = replace(pusher, environ=told)("--wait", "0", "--gammu", str(number))
            assert done.returncode == 0, done

        return self._spooling("gammu", pusher, network, hand)

    def smstools(self) -> Sender:
        pusher, network = self._pusher("smstools")

        def hand(sender: str, text: str, number: int) -> None:
            file = self.folder / f"GSM1.{number:06d}"
            head = f"From: {sender.lstrip('+')}\nFrom_TOA: 91 international, ISDN/telephone\n"
            file.write_text(f"{head}Sent: 26-06-12 14:31:58\nModem: GSM1\n\n{text}")
            done = pusher("--wait", "0", "--smstools", "RECEIVED", str(file))
            assert done.returncode == 0, done

        return self._spooling("smstools", pusher, network, hand)

    def kannel(self) -> Sender:
        _, network, url = self._device("kannel", "kannel")
        self.smsbox = box = Smsbox(url)
        self._stack.callback(box.stop)
        return Sender(
            name="kannel",
            receive=box.receive,
            network=network,
            outlives=False,
            restart=box.stop,
            lose=lambda count: setattr(network, "lose", count),
            wifi=[network.wifi],
        )
