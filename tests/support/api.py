"""A client of the API that holds every answer against the document it was served with.

Whatever a test asks, the answer has to be documented: its status for that operation, its body by
the schema, an error's code among those that are named, and the headers that go with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from mmconnect.admin.site import make_site
from mmconnect.api.fit import issues
from mmconnect.api.schema import JSON
from mmconnect.desk import keys
from mmconnect.desk.desk import Desk
from mmconnect.desk.keys import Scope
from mmconnect.service.admin_side import with_api
from mmconnect.store import api_keys
from tests.support.desk import desk_of, scraped
from tests.support.inprocess import Appliance
from tests.support.loops import on_loopback
from tests.support.wire import Told, ask, request

ALSO = {404: "not_found", 405: "method_not_allowed"}
"""What is answered where no operation is."""


@dataclass(kw_only=True)
class Api:
    """The API of an appliance, and a key for it."""

    port: int
    key: str | None
    document: dict[str, Any] = field(default_factory=dict)
    seen: set[tuple[str, str, int]] = field(default_factory=set)
    """Which answers of which operations were held against the document: method, path, status."""

    async def get(self, path: str, **query: Any) -> Told:
        return await self.ask("GET", path, query=query)

    async def post(self, path: str, body: Any = None, **how: Any) -> Told:
        return await self.ask("POST", path, body, **how)

    async def patch(self, path: str, body: Any, **how: Any) -> Told:
        return await self.ask("PATCH", path, body, **how)

    async def put(self, path: str, body: Any, **how: Any) -> Told:
        return await self.ask("PUT", path, body, **how)

    async def delete(self, path: str, **how: Any) -> Told:
        return await self.ask("DELETE", path, **how)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
        **how: Any,
    ) -> Told:
        """One request below /v1; `raw` is a body as it stands."""
        sent = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        data = raw or b""
        if body is not None:
            data = json.dumps(body).encode()
        if body is not None or raw is not None:
            sent["Content-Type"] = "application/json"
        asked = f"?{urlencode(query, doseq=True)}" if query else ""
        told = await ask(
            self.port,
            request(f"/v1{path}{asked}", {**sent, **(headers or {})}, data, method=method, **how),
        )
        self.check(method, path, told)
        return told

    async def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        items: list[dict[str, Any]] = []
        while True:
            told = await self.get(path, **query)
            assert told.status == 200, told
            items += told.json["items"]
            if "nextCursor" not in told.json:
                return items
            query["cursor"] = told.json["nextCursor"]

    def _is_file(self, method: str, path: str, told: Told) -> bool:
        """Whether the answer is documented to be something else than JSON, and is that."""
        known = operation(self.document, method, path)
        if known is None:
            return False
        content = known[1]["responses"].get(str(told.status), {}).get("content", {})
        if JSON in content:
            return False
        assert list(content) == [told.headers["content-type"]], f"{method} {path}: {told.headers}"
        self.seen.add((method, known[0], told.status))
        return True

    def check(self, method: str, path: str, told: Told) -> None:
        """Fail unless the answer is documented."""
        assert told.headers["cache-control"] == "no-store"
        if method == "HEAD" or self._is_file(method, path, told):
            return
        assert told.headers["content-type"].startswith("application/json"), told
        value = json.loads(told.body)
        schemas = self.document["components"]["schemas"]
        error = None if told.status < 400 else value["error"]
        known = operation(self.document, method, path)
        if known is None:
            assert error == ALSO[told.status], told
            held = schemas["Error"]
        else:
            template, one = known
            responses = one["responses"]
            assert str(told.status) in responses, f"{method} {template}: {told}"
            content = responses[str(told.status)]["content"][JSON]
            if error is not None:
                assert error in content["examples"], f"{method} {template}: {told}"
            held = content["schema"]
            for name in responses[str(told.status)].get("headers", {}):
                assert name.lower() in told.headers, f"{method} {template}: no {name}"
            self.seen.add((method, template, told.status))
        found = issues(held, value, schemas)
        assert not found, f"{method} {path}: {found} in {told}"


def operation(
    document: Mapping[str, Any], method: str, path: str
) -> tuple[str, dict[str, Any]] | None:
    """The documented operation that a request is for: (its path, itself)."""
    for template in sorted(document["paths"], key=lambda t: "{" in t):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, f"/v1{path}"):
            one = document["paths"][template].get(method.lower())
            return None if one is None else (template, one)
    return None


def new_key(box: Appliance, scopes: Iterable[Scope] = keys.DEFAULT, **more: Any) -> str:
    """A key for an appliance's API, as `api-key create` makes it."""
    key, secret = keys.fresh(box.ids, name="test", now=box.clock.now(), scopes=scopes, **more)
    box.change(lambda db: api_keys.add(db, key))
    return secret


@asynccontextmanager
async def api_of(
    box: Appliance, *, scopes: Iterable[Scope] = keys.DEFAULT, **parts: Any
) -> AsyncIterator[Api]:
    """The admin address of an appliance, with the API on it; `parts` of the desk's."""
    desk = desk_of(box, **parts)
    async with site_of(desk) as port:
        api = Api(port=port, key=None)
        told = await ask(port, request("/v1/openapi.json", method="GET"))
        api.document = told.json
        api.check("GET", "/openapi.json", told)
        api.key = new_key(box, scopes)
        yield api


@asynccontextmanager
async def site_of(desk: Desk) -> AsyncIterator[int]:
    """The site behind the admin address, as the service makes it."""
    site = make_site(desk, scraped, more=lambda app: with_api(app, desk))
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=0.5)
    async with on_loopback(runner) as port:
        yield port
