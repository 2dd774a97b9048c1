"""The services at the other end of the recipes: what their documentation says they take, no more.

Each is a real HTTP server that refuses a wrong key, path or field, and remembers what was refused:
a test looks at `wrong`. It can be switched off (nothing listens), and it can hold a request, before
or after it has acted on it, for the test to kill the receiver in between.
"""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.support.receiver import free_port

Answer = tuple[int, Any]


class Unfit(Exception):
    """A request that the real service would not take: its status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def need(fits: object, why: str, status: int = 422) -> None:
    if not fits:
        raise Unfit(status, why)


class Other:
    """One such service; `act` says what it does with a request."""

    secrets: ClassVar[dict[str, str]] = {}
    """Of the receiver's settings, those that are secret."""
    key = ("Authorization", "")
    """The header that lets in, and its value."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.held = threading.Event()
        """A request is being held."""
        self.go_on = threading.Event()
        self.hold_before: Callable[[str, str], bool] | None = None
        self.hold_after: Callable[[str, str], bool] | None = None
        self.status = 200
        """Answered instead of acting when it is not 200."""
        self.statuses: list[int] = []
        """Of every request that was acted on, also where nobody waits for the answer."""
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self._one = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        raise NotImplementedError

    def groups(self) -> list[list[str]]:
        """What has arrived, a list for each ticket or conversation; no request is half done."""
        with self._one:
            return self.found()

    def found(self) -> list[list[str]]:
        raise NotImplementedError

    # -- on and off -----------------------------------------------------------------------------

    def start(self) -> None:
        other = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                other.serve(self)

            do_GET = do_POST = do_PUT = _any

            def log_message(self, *_: object) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Nothing listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        status: int
        said: Any
        method = request.command
        parts = urlsplit(request.path)
        raw = request.rfile.read(int(request.headers.get("content-length") or 0))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._hold(self.hold_before, method, parts.path)
        try:
            name, value = self.key
            need(request.headers.get(name, "") == value, f"{name} is not {value!r}", 401)
            body = self.read(request.headers.get("content-type") or "", raw) if raw else None
            with self._one:
                status, said = self.status, {}
                if status == 200:
                    status, said = self.act(method, parts.path, query, body)
        except Unfit as error:
            self.wrong.append(f"{method} {request.path}: {error}")
            status, said = error.status, {"error": str(error)}
        self._hold(self.hold_after, method, parts.path)
        self.statuses.append(status)  # before anybody can act on the answer
        self._answer(request, status, said)

    def read(self, content_type: str, raw: bytes) -> Any:
        need(content_type == "application/json", f"content type {content_type!r}", 415)
        return json.loads(raw)

    def _hold(self, which: Callable[[str, str], bool] | None, method: str, path: str) -> None:
        if which is not None and which(method, path):
            self.hold_before = self.hold_after = None
            self.held.set()
            assert self.go_on.wait(60)

    @staticmethod
    def _answer(request: BaseHTTPRequestHandler, status: int, said: Any) -> None:
        data = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        try:
            request.send_response(status)
            request.send_header("content-length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            pass  # killed meanwhile


def only(body: dict[str, Any], *names: str) -> None:
    need(set(body) <= set(names), f"unknown fields: {sorted(set(body) - set(names))}")


class Python(Other):
    """Whatever TARGET_URL is: knows a text again by its Idempotency-Key."""

    secrets: ClassVar[dict[str, str]] = {"TARGET_TOKEN": "t0ken"}
    key = ("Authorization", "Bearer t0ken")

    def __init__(self) -> None:
        super().__init__()
        self.got: dict[str, str] = {}

    @property
    def env(self) -> dict[str, str]:
        return {"TARGET_URL": f"{self.url}/sms"}

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        need((method, path) == ("POST", "/sms"), "no such route", 404)
        only(body, "id", "from", "text", "test")
        if not body["test"]:
            self.got[body["id"]] = body["text"]
        return 200, {}

    def found(self) -> list[list[str]]:
        return [[text] for text in self.got.values()]


class Zammad(Other):
    """https://docs.zammad.org/en/latest/api/intro.html"""

    secrets: ClassVar[dict[str, str]] = {"ZAMMAD_TOKEN": "zt"}
    key = ("Authorization", "Token token=zt")

    def __init__(self) -> None:
        super().__init__()
        self.users: list[dict[str, Any]] = [
            {"id": 1, "firstname": "Ann", "phone": "0", "mobile": ""}
        ]
        self.tickets: list[dict[str, Any]] = []
        self.articles: list[dict[str, Any]] = []

    @property
    def env(self) -> dict[str, str]:
        return {"ZAMMAD_URL": self.url, "ZAMMAD_GROUP": "Sales"}

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        need(path.startswith("/api/v1/"), "not below /api/v1", 404)
        match method, *path.removeprefix("/api/v1/").split("/"):
            case "GET", "users", "search":
                found = [u for u in self.users if query["query"] in u["phone"] + u["mobile"]]
                return 200, found
            case "POST", "users":
                only(body, "firstname", "mobile", "roles")
                need(body["roles"] == ["Customer"], "an agent makes customers only")
                self.users.append({"phone": "", **body, "id": len(self.users) + 1})
                return 201, self.users[-1]
            case "GET", "tickets", "search":
                found = [a["ticket_id"] for a in self.articles if query["query"] in a["body"]]
                return 200, {"tickets": found, "tickets_count": len(found), "assets": {}}
            case "GET", "tickets", number:
                if int(number) > len(self.tickets):
                    return 404, {"error": "Couldn't find Ticket"}
                need(query.get("expand") == "true", "only numbers without expand")
                return 200, self.tickets[int(number) - 1]
            case "POST", "tickets":
                only(body, "title", "group", "customer_id", "article")
                need(body["group"] == "Sales", "no such group")
                made = {"id": len(self.tickets) + 1, "customer_id": body["customer_id"]}
                self.tickets.append({**made, "state": "new", "title": body["title"]})
                self._article(body["article"], made["id"])
                return 201, self.tickets[-1]
            case "POST", "ticket_articles":
                article = dict(body)
                self._article(article, article.pop("ticket_id"))
                return 201, self.articles[-1]
            case "GET", "ticket_articles", "by_ticket", number:
                return 200, [a for a in self.articles if a["ticket_id"] == int(number)]
        raise Unfit(404, "no such route")

    def _article(self, article: dict[str, Any], ticket: int) -> None:
        only(
            article,
            *("subject", "body", "content_type", "type", "sender", "internal", "origin_by_id"),
        )
        need(article["content_type"] == "text/plain", "a stranger's text is no HTML")
        need(0 < article["origin_by_id"] <= len(self.users), "no such customer")
        need(self.tickets[ticket - 1]["customer_id"] == article["origin_by_id"], "another's ticket")
        self.articles.append({**article, "ticket_id": ticket})

    def found(self) -> list[list[str]]:
        of = {
            t["id"]: [a for a in self.articles if a["ticket_id"] == t["id"]] for t in self.tickets
        }
        return [[a["body"].split("\n\nmsg_")[0] for a in articles] for articles in of.values()]

    def close(self, ticket: int) -> None:
        self.tickets[ticket - 1]["state"] = "closed"


class FreeScout(Other):
    """https://api-docs.freescout.net"""

    secrets: ClassVar[dict[str, str]] = {"FREESCOUT_KEY": "fk"}
    key = ("X-FreeScout-API-Key", "fk")

    def __init__(self) -> None:
        super().__init__()
        self.conversations: list[dict[str, Any]] = []

    @property
    def env(self) -> dict[str, str]:
        return {"FREESCOUT_URL": self.url, "FREESCOUT_MAILBOX": "3"}

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        match method, *path.removeprefix("/api/").split("/"):
            case "POST", "conversations":
                only(body, "type", "mailboxId", "subject", "customer", "threads", "status")
                need(body["type"] == "phone" and body["mailboxId"] == 3, "type or mailbox", 400)
                customer = body["customer"]
                need(customer.get("firstName") and customer.get("phone"), "who is it?", 400)
                (thread,) = body["threads"]
                need(
                    thread["type"] == "customer" and thread["customer"], "a customer's thread", 400
                )
                number = len(self.conversations) + 1
                made = {"id": number, "status": body["status"], "state": "published"}
                embedded = {"threads": [{"type": "customer", "body": thread["text"]}]}
                owner = {"id": 70 + number, "phone": customer["phone"]}
                self.conversations.append({**made, "customer": owner, "_embedded": embedded})
                return 201, self.conversations[-1]
            case "GET", "conversations":
                need(query["mailboxId"] == "3" and query["embed"] == "threads", "query", 400)
                found = [
                    c
                    for c in self.conversations
                    if c["customer"]["phone"] == query["customerPhone"]
                ]
                return 200, {"_embedded": {"conversations": found}}
            case "GET", "conversations", number:
                if int(number) > len(self.conversations):
                    return 404, {}
                return 200, self.conversations[int(number) - 1]
            case "POST", "conversations", number, "threads":
                only(body, "type", "text", "customer", "status")
                there = self.conversations[int(number) - 1]
                need(body["customer"] == {"id": there["customer"]["id"]}, "customer", 400)
                need(body["type"] == "customer" and body["status"] == "active", "type", 400)
                there["_embedded"]["threads"].append({"type": "customer", "body": body["text"]})
                return 201, {"id": 1}
        raise Unfit(404, "no such route")

    def found(self) -> list[list[str]]:
        return [
            [t["body"].split("<br><br>msg_")[0] for t in c["_embedded"]["threads"]]
            for c in self.conversations
        ]

    def close(self, conversation: int) -> None:
        self.conversations[conversation - 1]["status"] = "closed"


class OsTicket(Other):
    """include/api.tickets.php: a mail that answers a known one continues its ticket."""

    secrets: ClassVar[dict[str, str]] = {"OSTICKET_KEY": "ok"}
    key = ("X-API-Key", "ok")

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[dict[str, tuple[str, str]]] = []
        """Each: sender's address and text by Message-ID."""

    @property
    def env(self) -> dict[str, str]:
        addresses = {"OSTICKET_DOMAIN": "sms.example.org", "OSTICKET_TO": "help@example.org"}
        return {"OSTICKET_URL": self.url, **addresses}

    def read(self, content_type: str, raw: bytes) -> Any:
        return email.message_from_bytes(raw, policy=email.policy.default)

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        need((method, path) == ("POST", "/api/tickets.email"), "no such route", 404)
        need(body["To"] == "help@example.org" and body["Subject"] and body["Date"], "headers", 400)
        (sender,) = body["From"].addresses
        need(sender.domain == "sms.example.org", "from", 400)
        known = [n for n, ticket in enumerate(self.tickets) if body["Message-ID"] in ticket]
        answered = [n for n, ticket in enumerate(self.tickets) if body["In-Reply-To"] in ticket]
        said = body.get_content().replace("\r\n", "\n").removesuffix("\n")
        if not known and answered:
            owner = next(iter(self.tickets[answered[0]].values()))[0]
            need(owner == sender.addr_spec, "another's ticket", 403)
            self.tickets[answered[0]][body["Message-ID"]] = (sender.addr_spec, said)
        elif not known:
            self.tickets.append({body["Message-ID"]: (sender.addr_spec, said)})
        return 201, "123456"

    def found(self) -> list[list[str]]:
        return [[text for _, text in ticket.values()] for ticket in self.tickets]


class Espo(Other):
    """https://docs.espocrm.com/development/api/"""

    secrets: ClassVar[dict[str, str]] = {"ESPO_KEY": "ek"}
    key = ("X-Api-Key", "ek")

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[tuple[str, str], str] = {("Contact", "c1"): "+6581230001"}
        self.notes: list[dict[str, Any]] = []

    @property
    def env(self) -> dict[str, str]:
        return {"ESPO_URL": self.url}

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        match method, *path.removeprefix("/api/v1/").split("/"):
            case "GET", ("Contact" | "Lead" | "Account") as kind:
                where = {
                    name: query[f"where[0][{name}]"] for name in ("type", "attribute", "value")
                }
                need(
                    where["type"] == "equals" and where["attribute"] == "phoneNumber", "where", 400
                )
                found = [i for (k, i), n in self.people.items() if (k, n) == (kind, where["value"])]
                return 200, {"total": len(found), "list": [{"id": one} for one in found]}
            case "POST", "Lead":
                only(body, "lastName", "phoneNumber")
                made = f"l{len(self.people)}"
                self.people["Lead", made] = body["phoneNumber"]
                return 200, {"id": made, **body}
            case "GET", kind, one, "stream":
                notes = [n for n in self.notes if (n["parentType"], n["parentId"]) == (kind, one)]
                return 200, {"total": len(notes), "list": notes[::-1]}
            case "POST", "Note":
                only(body, "type", "parentType", "parentId", "post")
                need(body["type"] == "Post", "type", 400)
                need((body["parentType"], body["parentId"]) in self.people, "nobody", 404)
                self.notes.append(body)
                return 200, {"id": "n"}
        raise Unfit(404, "no such route")

    def found(self) -> list[list[str]]:
        made: dict[tuple[str, str], list[str]] = {}
        for note in self.notes:
            said = note["post"].split(":\n\n", 1)[1].split("\n\nmsg_")[0]
            made.setdefault((note["parentType"], note["parentId"]), []).append(said)
        return list(made.values())


class HomeAssistant(Other):
    """https://developers.home-assistant.io/docs/api/rest/"""

    secrets: ClassVar[dict[str, str]] = {"HA_TOKEN": "ht"}
    key = ("Authorization", "Bearer ht")

    def __init__(self) -> None:
        super().__init__()
        self.state = "RUNNING"
        self.events: list[tuple[str, dict[str, Any]]] = []

    @property
    def env(self) -> dict[str, str]:
        return {"HA_URL": self.url}

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        if (method, path) == ("GET", "/api/config"):
            return 200, {"location_name": "Home", "state": self.state}
        need(method == "POST" and path.startswith("/api/events/mmconnect_"), "no such route", 404)
        self.events.append((path.rpartition("/")[2], body))
        return 200, {"message": f"Event {path.rpartition('/')[2]} fired."}

    def found(self) -> list[list[str]]:
        """An automation that asks for `again` and `test` to be false."""
        fired = [e for name, e in self.events if name == "mmconnect_sms"]
        return [[e["text"]] for e in fired if not e["again"] and not e["test"]]


class Ntfy(Other):
    """https://docs.ntfy.sh/publish/#publish-as-json"""

    secrets: ClassVar[dict[str, str]] = {"NTFY_TOKEN": "tk_n", "NTFY_TOPIC": "my-texts"}
    key = ("Authorization", "Bearer tk_n")

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, dict[str, Any]] = {}

    @property
    def env(self) -> dict[str, str]:
        return {"NTFY_URL": self.url}

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        need((method, path) == ("POST", "/"), "JSON is published to /", 404)
        only(body, "topic", "title", "message", "tags", "priority", "sequence_id")
        need(body["topic"] == "my-texts" and body["message"], "topic or message", 400)
        need(len(body["message"].encode()) <= 4096, "becomes an attachment", 400)
        need(body.get("priority", 3) in range(1, 6), "priority", 400)
        self.shown[body["sequence_id"]] = body
        return 200, {"id": "x", "event": "message"}

    def found(self) -> list[list[str]]:
        return [[one["message"]] for one in self.shown.values() if "Test" not in one["title"]]


class Telegram(Other):
    """https://core.telegram.org/bots/api#sendmessage"""

    secrets: ClassVar[dict[str, str]] = {"TELEGRAM_TOKEN": "12:ab"}

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    @property
    def env(self) -> dict[str, str]:
        return {"TELEGRAM_URL": self.url, "TELEGRAM_CHAT": "-100"}

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        need((method, path) == ("POST", "/bot12:ab/sendMessage"), "no such route", 404)
        only(body, "chat_id", "text", "link_preview_options", "reply_parameters")
        need(body["chat_id"] == "-100", "chat not found", 400)
        need(len(body["text"].encode("utf-16-le")) <= 2 * 4096, "message is too long", 400)
        replied = body.get("reply_parameters")
        need(not replied or 0 < replied["message_id"] <= len(self.messages), "reply", 400)
        self.messages.append(body)
        return 200, {"ok": True, "result": {"message_id": len(self.messages)}}

    def found(self) -> list[list[str]]:
        made: list[list[str]] = []
        of: dict[int, list[str]] = {}
        for number, message in enumerate(self.messages, 1):
            said = message["text"]
            if said.startswith("Test: "):
                continue
            said = said.split("\n\n", 1)[1]
            if replied := message.get("reply_parameters"):
                group = of[replied["message_id"]]
                group.append(said)
            else:
                made.append(group := [said])
            of[number] = group
        return made


class OptOuts(Other):
    """OPTOUT_URL: the software that sends texts."""

    secrets: ClassVar[dict[str, str]] = {"OPTOUT_TOKEN": "lt", "OPTOUT_URL_TOKEN": "ut"}
    key = ("Authorization", "Bearer ut")

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, dict[str, Any]] = {}

    @property
    def env(self) -> dict[str, str]:
        return {"OPTOUT_URL": f"{self.url}/optout"}

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        need((method, path) == ("POST", "/optout"), "no such route", 404)
        only(body, "number", "out", "since", "id")
        self.told[body["id"]] = body
        return 200, {}

    def found(self) -> list[list[str]]:
        return [["STOP" if one["out"] else "START"] for one in self.told.values()]


OTHERS: dict[str, type[Other]] = {
    "python": Python,
    "zammad": Zammad,
    "freescout": FreeScout,
    "osticket": OsTicket,
    "espocrm": Espo,
    "home-assistant": HomeAssistant,
    "ntfy": Ntfy,
    "telegram": Telegram,
    "stop-list": OptOuts,
}
"""By the recipe's folder."""
