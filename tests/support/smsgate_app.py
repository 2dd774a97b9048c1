"""The app of a simulated phone, without its network: what it knows, and what it tells webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from tests.support.smsgate_access import Access, Refused, Settings
from tests.support.smsgate_inbox import Inbox, Incoming
from tests.support.smsgate_push import Faults, Hook, Line, Queue
from tests.support.smsgate_rules import KINDS, SINCE, nano_id, stamp, version_key, zone_of


class App:
    """State that outlives the process of the app: Android keeps it on the phone's disk."""

    def __init__(
        self,
        *,
        version: str,
        device_id: str,
        user: str,
        password: str,
        sims: Mapping[int, str | None],
        zone: str | tzinfo,
        old_android: bool,
        insecure: bool,
        time_scale: float,
        timeout_scale: float,
        ttl_scale: float,
    ) -> None:
        self.device_id, self.sims, self.zone = device_id, dict(sims), zone_of(zone)
        self.old_android = old_android
        self.line = Line(
            version=version,
            insecure=insecure,
            time_scale=time_scale,
            timeout_scale=timeout_scale,
            faults=Faults(),
        )
        self.inbox, self.settings = Inbox(), Settings()
        self.access = Access(user, password, ttl_scale)
        self.hooks: dict[str, Hook] = {}
        self.logs: list[dict[str, Any]] = []
        self.queue = Queue(self.line, self.log)
        self.queue.retry_count = lambda: self.settings.retry_count
        self.queue.signing_key = lambda: self.settings.signing_key
        self.queue.internet_required = lambda: self.settings.internet_required
        self.monitoring = True
        """Content Provider Monitoring, a switch of the app."""
        self.phone_permission = True
        """READ_PHONE_STATE: without it no SIM and no own number."""
        self.battery, self.charging = 80, 4
        self.notifications: list[str] = []
        self.model = "Pixel 7"
        self.installed_ms = 1714298913115
        self.sent: dict[str, dict[str, Any]] = {}

    @property
    def version(self) -> str:
        return self.line.version

    def since(self, version: str) -> bool:
        """Whether the app is at least of that version."""
        return version_key(self.version) >= version_key(version)

    def now_ms(self) -> int:
        return int(self.line.clock() * 1000)

    def write(self, ms: int) -> str:
        return stamp(ms, self.zone, old_android=self.old_android)

    def log(self, priority: str, module: str, message: str) -> None:
        self.logs.append(
            {
                "priority": priority,
                "module": module,
                "message": message,
                "id": len(self.logs) + 1,
                "createdAt": self.now_ms(),
            }
        )

    def slot(self, message: Incoming) -> int | None:
        return message.sim if self.phone_permission else None

    def own_number(self, sim: int | None) -> str | None:
        return self.sims.get(sim) if self.phone_permission and sim else None

    def process(self, message: Incoming, *, tell: bool = True) -> None:
        """A message that the app came upon: into its table, and out to webhooks."""
        fresh = self.inbox.keep(message, self.version)
        if tell and (fresh or not self.since("1.65.2")):
            self.emit(message.event(), self.payload(message))

    def payload(self, message: Incoming) -> dict[str, Any]:
        sim = self.slot(message)
        return message.payload(self.version, self.own_number(message.sim), sim, self.write)

    def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        """An event of its own for every webhook that is registered for it."""
        if version_key(self.version) < version_key(SINCE[event]):
            return
        for hook in self.hooks.values():
            if hook.event == event:
                self.queue.add(hook, self.device_id, payload)

    def refresh(self, since: int, until: int, types: list[str], delivery: str) -> None:
        """From Android's store into the table. `delivery`: Disabled, Individual, Batch."""
        kinds = [k for k in KINDS if ("MMS" if k.startswith("MMS") else "SMS") in types]
        batches: dict[str, list[dict[str, Any]]] = {}
        for message in self.inbox.between(since, until, kinds):
            fresh = self.inbox.keep(message, self.version)
            if not fresh and self.since("1.65.2"):
                continue
            if delivery == "Individual":
                self.emit(message.event(), self.payload(message))
            elif delivery == "Batch":
                event = message.event().replace(":", ":batch:")
                batches.setdefault(event, []).append(self.payload(message))
        for event, payloads in batches.items():
            for at in range(0, len(payloads), 100):
                self.emit(event, {"messages": payloads[at : at + 100]})

    def started(self) -> None:
        """The app's process came up: what it does by itself then."""
        self.settings.ping_running = self.settings.all["ping"]["interval_seconds"]
        self.access.live = (self.access.user, self.access.password)
        missed = self.inbox.missed()
        if self.since("1.66.1") and self.monitoring:
            for message in missed:
                self.process(message)
        self.emit("app:started", {"simCards": self.sim_cards()})

    def sim_cards(self) -> list[dict[str, Any]]:
        return [
            {
                "slotIndex": sim - 1,
                "simNumber": sim,
                "phoneNumber": number,
                "carrierName": "Test Mobile",
                "iccid": f"8900000000000000{sim:03d}",
            }
            for sim, number in self.sims.items()
        ]

    def health(self) -> dict[str, Any]:
        online = self.line.wifi and self.line.internet
        level = "fail" if self.battery < 10 else "warn" if self.battery < 25 else "pass"
        checks = {
            "messages:failed": _check("pass", 0, "messages"),
            "connection:status": _check("pass" if online else "fail", int(online), "boolean"),
            "connection:transport": _check("pass", 4 if self.line.wifi else 1, "flags"),
            "connection:cellular": _check("pass", 0, "index"),
            "battery:level": _check(level, self.battery, "percent"),
            "battery:charging": _check("pass", self.charging, "flags"),
        }
        statuses = [check["status"] for check in checks.values()]
        worst = next((s for s in ("fail", "warn") if s in statuses), "pass")
        return {"version": self.version, "releaseId": 1490, "status": worst, "checks": checks}

    def ping(self) -> None:
        self.emit("system:ping", {"health": self.health()})

    def register(self, body: Mapping[str, Any]) -> Hook:
        """A webhook; the same id replaces the one before. Raises Refused: 400."""
        url, event = body.get("url"), body.get("event")
        if not isinstance(url, str) or not isinstance(event, str):
            raise Refused(400, "Invalid webhook")
        if body.get("deviceId") not in (None, self.device_id):
            raise Refused(400, "Invalid deviceId")
        if not self._may_call(url):
            raise Refused(400, "url must start with https:// or http://127.0.0.1")
        if event not in SINCE or not self.since(SINCE[event]):
            raise Refused(400, "Unsupported event")
        name = body.get("id") or nano_id()
        hook = Hook(id=str(name), url=url, event=event)
        if event == "sms:received" and hook.id not in self.hooks:
            self.notifications.append("webhook registered")
        self.hooks[hook.id] = hook
        return hook

    def _may_call(self, url: str) -> bool:
        if url.startswith("https://"):
            return True
        host = url.removeprefix("http://").split("/")[0].split(":")[0]
        return url.startswith("http://") and (self.line.insecure or host == "127.0.0.1")


def _check(status: str, value: int, unit: str) -> dict[str, Any]:
    return {
        "status": status,
        "observedValue": value,
        "observedUnit": unit,
        "description": f"As {unit}",
    }
