"""Every page of the site of a filled appliance: no dead link, and what every page has to have.

It walks from the overview as an administrator, follows each link to a page of ours once, and looks
at what came. A page that nothing leads to is told by test_every_page_is_reached.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from aiohttp import web

from mmconnect.admin.routes import ROUTES
from mmconnect.domain.models import EndpointState
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import appliance, eventually
from tests.support.phones import generic_json
from tests.support.receiver import answer, receiver
from tests.support.wire import ask, request

VOID = set("area base br col embed hr img input link meta source track wbr".split())
MOST = 600
"""Pages; more than these would be a trap of links that never ends."""


@dataclass
class Page:
    """One page, taken apart."""

    path: str
    title: str = ""
    headings: list[int] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    """What the browser would load by itself."""
    ids: list[str] = field(default_factory=list)
    labelled: set[str] = field(default_factory=set)
    fields: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    text: str = ""


class Reader(HTMLParser):
    """Reads a page, and complains of what no page may have."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.page = Page(path)
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        page, given = self.page, dict(attrs)
        if len(given) != len(attrs):
            page.wrong.append(f"<{tag}> has an attribute twice")
        if "style" in given:
            page.wrong.append(f"<{tag}> has an inline style")
        page.wrong += [f"<{tag} {name}>" for name in given if name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            page.wrong.append(f"inline <{tag}>")
        if tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            page.headings.append(int(tag[1]))
        if given.get("id"):
            page.ids.append(str(given["id"]))
        if tag == "label":
            page.labelled.add(given.get("for") or "")
        if tag in ("input", "select", "textarea") and given.get("type") != "hidden":
            inside = "label" in self._open
            page.fields.append((tag, given | ({"inside": "label"} if inside else {})))
        if tag == "a" and given.get("href"):
            page.links.append(str(given["href"]))
        if tag in ("script", "img", "iframe") and given.get("src"):
            page.loads.append(str(given["src"]))
        if tag == "link" and given.get("href"):
            page.loads.append(str(given["href"]))
        if tag == "form" and given.get("method", "get") == "get":
            page.links.append(str(given.get("action") or page.path))
        if tag == "form" and not given.get("action"):
            page.wrong.append("a form without an action")
        if tag == "img" and "alt" not in given:
            page.wrong.append("an image without words")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "li", "dt", "dd", "tr", "td", "th", "option") and tag not in self._open:
            self.page.wrong.append(f"</{tag}> closes nothing")
        if not self._open or self._open[-1] != tag:
            self.page.wrong.append(f"</{tag}> where {self._open[-3:]} is open")
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "title" and "head" in self._open:
            self.page.title += data
        if not {"pre", "code", "textarea"} & set(self._open):
            self.page.text += data

    def close(self) -> None:
        super().close()
        if self._open:
            self.page.wrong.append(f"never closed: {self._open}")


def judged(page: Page) -> list[str]:
    """What is wrong with a page, in sentences."""
    wrong = list(page.wrong)
    if page.headings.count(1) != 1:
        wrong.append(f"{page.headings.count(1)} h1")
    steps = zip(page.headings, page.headings[1:], strict=False)
    wrong += [f"h{was} is followed by h{now}" for was, now in steps if now > was + 1]
    if not page.title.removesuffix("– mmconnect").strip():
        wrong.append("no title")
    doubled = [one for one, count in Counter(page.ids).items() if count > 1]
    if doubled:
        wrong.append(f"ids twice: {doubled}")
    for tag, given in page.fields:
        named = given.get("aria-label") or given.get("aria-labelledby") or given.get("inside")
        hidden = "hidden" in given
        if not (named or hidden) and given.get("id") not in page.labelled:
            wrong.append(f"<{tag} name={given.get('name')}> has no label")
    wrong += [f"loads {one}" for one in page.loads if urlsplit(one).netloc]
    for link in page.links:
        if urlsplit(link).scheme not in ("", "http", "https", "mailto"):
            wrong.append(f"a link to {link}")
    unfilled = re.findall(
        r".{0,30}(?:\{\{|\bUndefined\b|\bNone\b(?!:| (?:yet|of|is))).*", page.text
    )
    if unfilled:
        wrong.append(f"not filled in: {unfilled}")
    return wrong


@dataclass
class Walk:
    """What was found on the way."""

    pages: dict[str, Page]
    dead: dict[str, str]
    """Where it is, by path."""
    loaded: dict[str, int]
    """What the pages load by themselves, and the status that it came with."""


async def walk(port: int) -> Walk:
    found = Walk({}, {}, {})
    waiting = [("/", "the beginning")]
    seen = {"/"}
    while waiting:
        path, on = waiting.pop()
        told = await ask(port, request(path, method="GET"))
        if told.status != 200:
            found.dead[path] = f"{told.status}, on {on}"
            continue
        if not told.headers.get("content-type", "").startswith("text/html"):
            continue
        reader = Reader(path)
        reader.feed(told.body.decode())
        reader.close()
        page = found.pages[path] = reader.page
        for one in page.loads:
            found.loaded.setdefault(urljoin(path, one), 0)
        for link in page.links:
            target = urljoin(path, urldefrag(link)[0]) if urldefrag(link)[0] else path
            if urlsplit(target).netloc or urlsplit(target).scheme == "mailto" or target in seen:
                continue
            seen.add(target)
            waiting.append((target, path))
        assert len(found.pages) < MOST, f"so many pages: {sorted(found.pages)[:50]}"
    for path in found.loaded:
        found.loaded[path] = (await ask(port, request(path, method="GET"))).status
    return found


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """An appliance with something of everything, as its administrator walks through it."""
    return asyncio.run(_walked(tmp_path_factory.mktemp("crawl")))


async def _walked(directory: Path) -> Walk:
    async with receiver(answer(200)) as there, appliance(directory, tokens=()) as box:
        await box.device(token="the-phone", name="Reception")
        await box.device(token="another", name="Till & <i>co</i>", app="smsgate")
        await box.endpoint(there.url, name="CRM <b>& co</b>")
        await box.endpoint("http://127.0.0.1:9/nothing", name="Away", schedule=(0,))
        await box.endpoint(there.url, name="Paused", state=EndpointState.PAUSED)
        await box.text("<script>alert(1)</script> \"quoted\" 'text'", "+6581230000")
        await box.text("balance", "Google<img src=x>")
        await box.push(*generic_json({"what": "is this?"}))
        await eventually(lambda: box.one("SELECT count(*) FROM attempts") == 4)
        async with admin_of(desk_of(box)) as port:
            return await walk(port)


def shown_by(path: str) -> str | None:
    """The route that shows a path, as it is written."""
    for resource in RESOURCES:
        told = resource.get_info()
        if told.get("path") == path:
            return path
        if "pattern" in told and told["pattern"].fullmatch(path):
            return str(told["formatter"])
    return None


def _resources() -> list[web.AbstractResource]:
    app = web.Application()
    app.add_routes([route for route in ROUTES if route.method == "GET"])
    return list(app.router.resources())


RESOURCES = _resources()
ELSEWHERE = ("/docs",)
"""Of the API's own site, which is no part of this walk."""


def test_no_link_is_dead(walked: Walk):
    dead = {path: why for path, why in walked.dead.items() if not path.startswith(ELSEWHERE)}
    assert not dead


def test_every_page_has_what_every_page_has(walked: Walk):
    assert len(walked.pages) > 30
    assert {path: wrong for path, page in walked.pages.items() if (wrong := judged(page))} == {}


ASKS = re.compile(r".*/(delete|wipe|send|cancel|retry)")
"""Pages that ask whether to do something to one thing, and say to which below their title."""


def test_no_two_pages_have_the_same_title(walked: Walk):
    titles: dict[str, set[str]] = {}
    for path, page in walked.pages.items():
        asks = ASKS.fullmatch(urlsplit(path).path)
        titles.setdefault(page.title, set()).add(asks[1] if asks else urlsplit(path).path)
    assert {title: paths for title, paths in titles.items() if len(paths) > 1} == {}


def test_every_part_that_a_link_names_is_on_its_page(walked: Walk):
    missing = []
    for path, page in walked.pages.items():
        for link in page.links:
            target, part = urldefrag(urljoin(path, link))
            there = walked.pages.get(target or path)
            if part and there is not None and part not in there.ids:
                missing.append(f"{link} on {path}")
    assert not missing


def test_what_pages_load_is_there(walked: Walk):
    assert len(walked.loaded) > 3
    assert {path: status for path, status in walked.loaded.items() if status != 200} == {}


def test_every_page_is_reached(walked: Walk):
    """Each route that shows a page, but for those that a link cannot lead to."""
    reached = {shown_by(urlsplit(path).path) for path in walked.pages}
    every = {str(r.get_info().get("path") or r.get_info()["formatter"]) for r in RESOURCES}
    assert every - reached == NOT_BY_LINK


NOT_BY_LINK = {
    *("/healthz", "/readyz", "/metrics", "/ca.crt", "/patterns"),
    *("/setup", "/login", "/confirm"),
    *("/endpoints/look", "/messages/news"),  # the script
    "/endpoints/{id}/secret",  # a form, after the password
    *("/settings/keys/{id}", "/settings/keys/{id}/revoke"),  # there is no key
    *(f"/settings/backup/kept/{{name}}/{verb}" for verb in ("delete", "restore")),  # nor a backup
    *("/phones/{id}/unlink", "/phones/{id}/history"),  # only where the phone is fetched from
    *("/help/recipes/{name}/{file}", "/messages/{id}/raw"),  # a file, not a page
    "/messages/purge",
}
"""Routes that show no page, or one that only a form, a code or the script leads to."""
