"""The local server of a simulated SMS Gateway: its routes, each with the version that brought it.

What the description leaves open is decided here: a scope that does not suffice is a 403, `from`
and `to` are both included, and a device id that is not the phone's is a 400.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.support.phones_wire import gson
from tests.support.smsgate_access import Refused, Token
from tests.support.smsgate_app import App
from tests.support.smsgate_inbox import row_json
from tests.support.smsgate_rules import KINDS, nano_id, query_date

Handler = Callable[[App, web.BaseRequest, tuple[str, ...]], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: re.Pattern[str]
    since: str
    scope: str | None
    """None: open to all; "": any valid password or token."""
    handler: Handler


ROUTES: list[Route] = []


def route(method: str, path: str, since: str, scope: str | None) -> Callable[[Handler], Handler]:
    def keep(handler: Handler) -> Handler:
        ROUTES.append(Route(method, re.compile(path), since, scope, handler))
        return handler

    return keep


async def serve(app: App, request: web.BaseRequest) -> web.Response:
    """Answer one request as the app does."""
    path = request.path if request.path == "/" else request.path.rstrip("/")
    known = [r for r in ROUTES if app.since(r.since) and r.path.fullmatch(path)]
    try:
        if not known:
            authorised(app, request, "")
            return web.Response(status=404)
        chosen = next((r for r in known if r.method == request.method), None)
        if chosen is None:
            return web.Response(status=405)
        if chosen.scope is not None:
            authorised(app, request, chosen.scope)
        found = chosen.path.fullmatch(path)
        return await chosen.handler(app, request, found.groups() if found else ())
    except Refused as refused:
        if refused.status == 401:
            asks = {"WWW-Authenticate": "Basic realm=sms-gateway, charset=UTF-8"}
            return web.Response(status=401, headers=asks)
        return answer({"message": refused.message}, refused.status)


def authorised(app: App, request: web.BaseRequest, scope: str) -> None:
    """Raises Refused: 401 for nobody, 403 for somebody who may not."""
    scopes = app.access.scopes_of(request.headers.get("Authorization", ""), app.version)
    if scope and not scopes & {"all:any", scope}:
        raise Refused(403, "Forbidden")


def answer(value: object, status: int = 200, **headers: str) -> web.Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return web.Response(
        status=status, text=gson(value), content_type="application/json", headers=named
    )


async def body_of(request: web.BaseRequest) -> dict[str, Any]:
    """Raises Refused: 400."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise Refused(400, "Failed to convert request body") from None
    if not isinstance(body, dict):
        raise Refused(400, "Failed to convert request body")
    return body


def _own_device(app: App, given: str | None) -> None:
    if given not in (None, app.device_id):
        raise Refused(400, "Invalid device ID")


@route("GET", "/health", "1.14.0", None)
async def health(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    told = app.health()
    return answer(told, 500 if told["status"] == "fail" else 200)


@route("GET", "/", "1.0.0", "")
async def root(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    return answer({"status": "ok", "model": app.model})


@route("GET", "/device", "1.9.0", "devices:list")
async def device(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    shown = {
        "id": app.device_id,
        "name": "Google/cheetah",
        "createdAt": app.write(app.installed_ms),
        "updatedAt": app.write(app.now_ms()),
        "lastSeen": app.write(app.now_ms()),
        "simCards": app.sim_cards() if app.since("1.65.0") else None,
    }
    return answer([shown])


@route("GET", "/inbox", "1.59.0", "inbox:list")
async def inbox(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    query = request.query
    kind = query.get("type")
    if kind is not None and kind not in KINDS:
        raise Refused(400, "Invalid type")
    _own_device(app, query.get("deviceId"))
    limit = _whole(query.get("limit", "50"), "limit", 1, 500)
    offset = _whole(query.get("offset", "0"), "offset", 0, 2**31 - 1)
    since, until = _date(query.get("from"), "from"), _date(query.get("to"), "to")
    rows = app.inbox.listed(kind=kind, since=since, until=until)
    inline = app.since("1.68.0") and query.get("includeAttachments") == "true"
    shown = [
        row_json(
            name,
            message,
            version=app.version,
            own=app.own_number(message.sim),
            sim=app.slot(message),
            created=app.write(message.ms),
            inline=inline,
        )
        for name, message in rows[offset : offset + limit]
    ]
    return answer(shown, X_Total_Count=str(len(rows)))


@route("GET", "/inbox/([^/]+)/attachments/([0-9]+)", "1.68.0", "inbox:read")
async def attachment(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    message = dict(app.inbox.listed()).get(found[0])
    at = int(found[1]) - 57
    if message is None or not 0 <= at < len(message.attachments):
        return web.Response(status=404)
    name, media, content = message.attachments[at]
    disposition = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": media}
    return web.Response(body=content, headers=disposition)


@route("POST", "/inbox/refresh", "1.59.0", "inbox:refresh")
async def refresh(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    return _fetched(app, await body_of(request), tell=False)


@route("POST", "/messages/inbox/export", "1.28.0", "messages:export")
async def export(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    return _fetched(app, await body_of(request), tell=True)


def _fetched(app: App, body: dict[str, Any], *, tell: bool) -> web.Response:
    _own_device(app, body.get("deviceId"))
    since, until = _date(body.get("since"), "since"), _date(body.get("until"), "until")
    if since is None or until is None or since > until:
        raise Refused(400, "Invalid period")
    types = body.get("messageTypes", ["SMS"]) if app.since("1.63.0") else ["SMS"]
    if not isinstance(types, list) or not {"SMS", "MMS"}.issuperset(types):
        raise Refused(400, "Invalid messageTypes")
    told = bool(body.get("triggerWebhooks", tell))
    delivery = "Individual" if told else "Disabled"
    if app.since("1.71.0"):
        delivery = body.get("webhookDelivery", delivery)
    app.refresh(since, until, types, delivery)
    return web.Response(status=202)


@route("GET", "/webhooks?", "1.15.0", "webhooks:list")
async def webhooks(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    return answer(
        [
            {"id": h.id, "url": h.url, "event": h.event, "source": "Local"}
            for h in app.hooks.values()
        ]
    )


@route("POST", "/webhooks?", "1.15.0", "webhooks:write")
async def add_webhook(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    hook = app.register(await body_of(request))
    return answer({"id": hook.id, "url": hook.url, "event": hook.event, "source": "Local"}, 201)


@route("DELETE", "/webhooks?/([^/]+)", "1.15.0", "webhooks:delete")
async def drop_webhook(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    app.hooks.pop(found[0], None)
    return web.Response(status=204)


@route("GET", "/settings", "1.37.0", "settings:read")
async def settings(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    return answer(app.settings.shown())


@route("PATCH", "/settings", "1.37.0", "settings:write")
async def set_settings(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    if app.settings.patch(await body_of(request)):
        app.notifications.append("settings changed")
    app.queue.wake()
    return answer(app.settings.shown())


@route("GET", "/logs", "1.17.0", "logs:read")
async def logs(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    since, until = (query_date(request.query.get(name, "")) for name in ("from", "to"))
    return answer(
        [
            {**entry, "createdAt": app.write(entry["createdAt"])}
            for entry in app.logs
            if (since is None or entry["createdAt"] >= since)
            and (until is None or entry["createdAt"] <= until)
        ]
    )


@route("POST", "/auth/token", "1.55.0", "tokens:manage")
async def token(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    return answer(_pair(app, app.access.issue(await body_of(request), app.version)), 201)


@route("POST", "/auth/token/refresh", "1.64.0", None)
async def refresh_token(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refused(401)
    return answer(_pair(app, app.access.refresh(given, app.version)))


@route("DELETE", "/auth/token/([^/]+)", "1.55.0", "tokens:manage")
async def revoke(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    app.access.revoke(found[0])
    return web.Response(status=204)


def _pair(app: App, made: Token) -> dict[str, Any]:
    return {
        "id": made.jti,
        "token_type": "Bearer",
        "access_token": made.access,
        "expires_at": app.write(int(made.expires * 1000)),
        "refresh_token": made.refresh,
    }


@route("POST", "/messages?", "1.0.0", "messages:send")
async def send(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    body = await body_of(request)
    numbers, name = body.get("phoneNumbers"), str(body.get("id") or nano_id())
    if not isinstance(numbers, list) or not numbers:
        raise Refused(400, "phoneNumbers must not be empty")
    _own_device(app, body.get("deviceId"))
    if name in app.sent:
        raise Refused(409, "Message already exists")
    checked = request.query.get("skipPhoneValidation") != "true"
    states = []
    for number in numbers:
        good = not checked or re.fullmatch(r"\+[1-9][0-9]{7,14}", str(number))
        states.append({"phoneNumber": number, "state": "Sent" if good else "Failed"})
    shown = {"id": name, "deviceId": app.device_id, "isHashed": False, "isEncrypted": False}
    app.sent[name] = {**shown, "state": states[0]["state"], "recipients": states, "states": {}}
    for one in states:
        common = {"messageId": name, "recipient": one["phoneNumber"], "simNumber": 1}
        common["phoneNumber"] = one["phoneNumber"]
        at = app.write(app.now_ms())
        if one["state"] == "Sent":
            app.emit("sms:sent", {"partsCount": 1, "sentAt": at, **common})
        else:
            app.emit("sms:failed", {"failedAt": at, "reason": "Invalid phone number", **common})
    pending = [{**one, "state": "Pending"} for one in states]
    return answer({**shown, "state": "Pending", "recipients": pending, "states": {}}, 202)


@route("GET", "/messages?/([^/]+)", "1.0.0", "messages:read")
async def sent(app: App, request: web.BaseRequest, found: tuple[str, ...]) -> web.Response:
    one = app.sent.get(found[0])
    return answer(one) if one else web.Response(status=404)


def _whole(text: str, name: str, least: int, most: int) -> int:
    if not re.fullmatch(r"-?[0-9]{1,10}", text) or not least <= int(text) <= most:
        raise Refused(400, f"Invalid {name}")
    return int(text)


def _date(text: object, name: str) -> int | None:
    if text is None:
        return None
    read = query_date(text) if isinstance(text, str) else None
    if read is None:
        raise Refused(400, f"Invalid {name} date")
    return read
