"""The document is exactly what is served: in both directions, with examples that are true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from aiohttp import web

from mmconnect.api import catalogue
from mmconnect.api.document import document
from mmconnect.api.fit import issues
from mmconnect.api.mount import mount
from mmconnect.api.problems import CODES
from mmconnect.desk.keys import Scope
from tests.support.api import api_of
from tests.support.desk import desk_of
from tests.support.inprocess import appliance
from tests.support.wire import ask, request

DOCUMENT = document(catalogue.OPERATIONS, catalogue.COMPONENTS)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, one in methods.items():
            yield method.upper(), path, one


async def test_every_route_is_documented_and_every_operation_served(tmp_path: Path):
    async with appliance(tmp_path) as box:
        site = web.Application()
        mount(site, desk_of(box))
        served = set()
        for resource in site.router.resources():
            for route in resource:
                served.add((route.method, route.resource.canonical if route.resource else ""))
        served.discard(("GET", "/docs"))
        assert served == {(method, path) for method, path, _ in operations()}


async def test_each_operation_answers_where_it_is_documented(tmp_path: Path):
    """With a key, and nothing else: never "no such path", never a method that is not there."""
    async with appliance(tmp_path) as box, api_of(box, scopes=list(Scope)) as api:
        for method, path, one in operations():
            if one["operationId"] in ("getDocument",):
                continue
            told = await api.ask(method, path.removeprefix("/v1").replace("{id}", "none"))
            made = 201 if one["operationId"] == "makeBackup" else 200
            assert told.status in (made, 400, 404), f"{method} {path}: {told}"
            if told.status == 404 and "{id}" in path:
                assert "none" in told.json["message"], f"{method} {path}: {told}"
        told = await api.get("/openapi.json")
        assert told.json == DOCUMENT


def test_schemas_hold_only_what_is_understood():
    catalogue.checked()
    json.dumps(DOCUMENT)


def test_examples_are_valid():
    schemas = DOCUMENT["components"]["schemas"]
    for method, path, one in operations():
        contents = [c for a in one["responses"].values() for c in a["content"].values()]
        if "requestBody" in one:
            contents.append(one["requestBody"]["content"]["application/json"])
        for content in contents:
            given = [content["example"]] if "example" in content else []
            given += [example["value"] for example in content.get("examples", {}).values()]
            assert given or content["schema"].get("format") == "binary", (
                f"{method} {path}: example?"
            )
            for example in given:
                assert not issues(content["schema"], example, schemas), f"{method} {path}"


def test_each_operation_says_what_it_is_and_which_errors_it_has():
    seen = set()
    for method, path, one in operations():
        where = f"{method} {path}"
        assert one["operationId"] not in seen, where
        seen.add(one["operationId"])
        assert one["summary"][0].isupper(), where
        assert not one["summary"].endswith("."), where
        assert one["tags"][0] in [tag["name"] for tag in DOCUMENT["tags"]], where
        open_to_all = one.get("security") == []
        assert ("401" in one["responses"]) is not open_to_all, where
        assert ("404" in one["responses"]) or "{id}" not in path, where
        assert [p["name"] for p in one.get("parameters", []) if p["in"] == "path"] == re.findall(
            r"\{(\w+)\}", path
        ), where
        for parameter in one.get("parameters", []):
            assert parameter["description"] or "enum" in json.dumps(parameter["schema"]), where
    told = {
        code
        for _, _, one in operations()
        for answer in one["responses"].values()
        for content in answer["content"].values()
        for code in content.get("examples", {})
    }
    assert told == CODES.keys() - {"method_not_allowed"}, "a code that nothing answers"


def test_every_component_is_used():
    used = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))
    assert used == DOCUMENT["components"]["schemas"].keys()


class Page(HTMLParser):
    """Ids, links, what is loaded, and what a strict CSP would not let be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.headings: list[int] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "a":
            self.links.append(given["href"])
        if tag in ("link", "script", "img", "iframe"):
            self.loads.append(given.get("href") or given.get("src") or "inline")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


async def test_the_page_tells_of_everything_and_needs_nothing_from_elsewhere(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await ask(api.port, request("/docs", method="GET", host="localhost:8480"))
        assert told.status == 200
        assert told.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in told.headers["content-security-policy"]
        html = told.body.decode()
        page = Page(html)
        for method, path, one in operations():
            assert one["operationId"] in page.ids
            assert f"<code>{method} {path}</code>" in html
        for name in DOCUMENT["components"]["schemas"]:
            assert f"schema-{name}" in page.ids
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            if link.startswith("#"):
                assert link[1:] in page.ids, link
            else:
                found = await ask(api.port, request(link, method="GET"))
                assert found.status in (200, 303), link
        assert page.loads
        for load in page.loads:
            assert load.startswith("/static/"), load
            assert (await ask(api.port, request(load, method="GET"))).status == 200
        assert page.inline == []
        assert page.headings[0] == 1
        assert page.headings.count(1) == 1
        steps = zip(page.headings, page.headings[1:], strict=False)
        assert all(after <= before + 1 for before, after in steps), "a heading is left out"
        assert "http://localhost:8480/v1/status" in html, "its own address"
        assert box.tokens.keys().isdisjoint(re.findall(r"dev_\w+", html))


async def test_a_host_header_is_shown_as_text_and_quoted_for_the_shell(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        for host in ("a<script>b", "a'$(reboot)'b", '"><img src=x>'):
            told = await ask(api.port, request("/docs", method="GET", host=host))
            if told.status != 200:  # refused before it comes here
                continue
            html = told.body.decode()
            assert "<script>b" not in html
            assert "<img" not in html
