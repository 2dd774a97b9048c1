"""The pairing site on the phone listener: which request gets which page, and which gets none.

`/pair` asks for the code, `/pair/CODE` says whose it is; only Continue, a POST from that very page,
binds it to the browser, and only that browser sees the steps. A GET uses nothing up.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import Device
from mmconnect.phones import codes
from mmconnect.phones import pair_answers as said
from mmconnect.phones.diagnosis import Circumstances, Network
from mmconnect.phones.pairing import Pairings, Standing, View
from mmconnect.phones.urls import Where
from mmconnect.store.configuration import Look
from mmconnect.store.pairings import Pairing
from mmconnect.web.body import BodyReader, Broken, TooLarge, TooSlow
from mmconnect.web.hosts import from_elsewhere, is_local
from mmconnect.web.http import Answer, Request

if TYPE_CHECKING:  # it brings templates and guides, which nobody needs before the first page
    from mmconnect.phones.pair_pages import Pages, Setup

_COOKIE_LIFE = 86_400
_MOST_FORM = 4096
"""Bytes that one of our forms can have."""
_PHONE = re.compile(r"Android|iPhone|Mobile")


class PairSite:
    """Answers for the path word `pair`."""

    def __init__(
        self,
        pairings: Pairings,
        look: Look,
        refresh: Callable[[], Awaitable[None]],
        where: Where,
        networks: Callable[[], Sequence[Network]],
        has_ca: Callable[[], bool],
    ) -> None:
        """`networks`: this machine's own; `has_ca`: whether /ca.crt has something to install."""
        self._pairings, self._look, self._refresh = pairings, look, refresh
        self._where, self._networks, self._has_ca = where, networks, has_ca
        self._bodies = BodyReader()
        self._made: Pages | None = None

    async def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if not is_local(request.headers.get("Host")):
            return said.refused("Open this page by mmconnect's address, or by its local name.")
        reads = request.method in ("GET", "HEAD")
        if from_elsewhere(request.headers) and not (reads and _is_visit(request)):
            return said.refused("This came from another site's page.")
        _, _, code, *rest = f"{request.url.path}//".split("/")
        word = rest[0]
        try:
            if not code:
                return self._ask(request) if reads else said.not_allowed()
            return await self._of_code(request, codes.read(code), word, reads=reads)
        except StoreUnavailable:
            return self._told(503, *said.UNWRITTEN)

    def _ask(self, request: Request) -> Answer:
        typed = request.url.query.get("code", "")
        code = codes.read(typed)
        if code is not None:
            return said.see_other(f"{codes.PATH}/{codes.shown(code)}")
        page = self._pages.page("code", typed=typed[:12], wrong=bool(typed))
        return said.page(400 if typed else 200, page)

    async def _of_code(
        self, request: Request, code: str | None, word: str, *, reads: bool
    ) -> Answer:
        cookie = _cookies(request).get(_cookie_name(code or ""))
        view = await self._pairings.view(code, cookie, request.remote)
        pairing = view.pairing
        device = None if pairing is None else self._look().devices.get(pairing.device_id)
        if pairing is not None and device is None:
            await self._refresh()
            device = self._look().devices.get(pairing.device_id)
        if code is None or pairing is None or device is None:
            return self._no(view, json_wanted=word == "status")
        here = f"{codes.PATH}/{codes.shown(code)}"
        match view.standing, word, reads:
            case (Standing.FRESH, "", True):
                return self._page("continue", device=device.name, here=here)
            case (Standing.FRESH, "continue", False):
                return await self._continue(pairing, code, here, secure=request.secure)
            case (Standing.FRESH, _, True):
                return said.see_other(here)
            case (Standing.OURS, _, _):
                return await self._ours(request, pairing, device, word, here, reads=reads)
            case (Standing.PAIRED, "status", True):
                return said.as_json({"state": "arrived"})
            case (Standing.PAIRED, "", True):
                return self._arrived(device)
            case (Standing.PAIRED, _, _):
                return said.see_other(here)
            case (Standing.OVER, _, _):
                return self._no(view, json_wanted=word == "status")
        return said.not_allowed()

    async def _continue(self, pairing: Pairing, code: str, here: str, *, secure: bool) -> Answer:
        cookie = await self._pairings.bind(pairing)
        if cookie is None:
            return self._told(409, *said.TAKEN)
        kept = (
            f"{_cookie_name(code)}={cookie}; Path={codes.PATH}; Max-Age={_COOKIE_LIFE};"
            f" HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
        )
        return said.see_other(here, {"Set-Cookie": kept})

    async def _ours(
        self,
        request: Request,
        pairing: Pairing,
        device: Device,
        word: str,
        here: str,
        *,
        reads: bool,
    ) -> Answer:
        from mmconnect.phones import pair_pages

        if not reads:
            if word == "app":
                return await self._choose(request, device, here)
            return said.see_other(here) if word == "continue" else said.not_allowed()
        guide = pair_pages.guide_of(device)
        if word == "app" or (guide is None and word != "status"):
            agent = request.headers.get("User-Agent", "")
            found = pair_pages.groups(agent)
            return self._page("apps", device=device.name, app=device.app, groups=found, here=here)
        if guide is None:
            return said.as_json({"state": "choosing"})  # somebody went back, in another tab
        host = request.headers.get("Host", "")
        base = pair_pages.base_for(guide, self._where(), host, device.push_base)
        token = self._token(device)
        around = self._around(request)
        phone = pair_pages.phone_address(around, guide)
        setup = pair_pages.Setup(device=device, guide=guide, token=token, base=base, phone=phone)
        told = pair_pages.status(
            setup, self._pairings.mistakes(device.id), self._pairings.waited(device.id), around
        )
        match word:
            case "status":
                return said.as_json(told)
            case "wait":
                return self._page("wait", status=told, here=here)
            case "":
                return await self._steps(setup, told, here)
        return said.see_other(here)

    async def _steps(self, setup: Setup, told: Mapping[str, Any], here: str) -> Answer:
        if setup.base != setup.device.push_base:  # it is being told now
            await self._pairings.choose(setup.device.id, app=None, push_base=setup.base)
            await self._refresh()
        more = {"here": here, "ca": self._has_ca(), "site": self._look().tenant.name}
        return said.page(200, self._pages.steps(setup, told, **more))

    async def _choose(self, request: Request, device: Device, here: str) -> Answer:
        from mmconnect.phones.guides import GUIDES

        app = (await self._form(request)).get("app", "")
        if app not in GUIDES:
            return said.see_other(f"{here}/app")
        await self._pairings.choose(device.id, app=app, push_base=None)
        await self._refresh()
        return said.see_other(here)

    def _arrived(self, device: Device) -> Answer:
        from mmconnect.phones import pair_pages
        from mmconnect.phones.guides import GUIDES

        guide = pair_pages.guide_of(device) or GUIDES["generic"]
        text = self._pairings.came_text(device.id)
        titles = {True: "The first text has arrived", False: "The phone has reported"}
        title = "The phone is connected" if text is None else titles[text]
        return self._page("arrived", title=title, device=device.name, guide=guide)

    def _no(self, view: View, *, json_wanted: bool) -> Answer:
        """Not for this browser: in as many words as it may know."""
        if json_wanted:
            return said.as_json({"state": "over"}, 404)
        match view.standing:
            case Standing.TAKEN:
                return self._told(409, *said.TAKEN)
            case Standing.SLOW:
                wait = {"Retry-After": str(round(view.wait))}
                return self._told(429, *said.SLOW, headers=wait)
        return self._told(404, *said.GONE, again=True)

    def _around(self, request: Request) -> Circumstances:
        return Circumstances(
            address=request.remote.removeprefix("::ffff:"),
            on_phone=_PHONE.search(request.headers.get("User-Agent", "")) is not None,
            networks=self._networks(),
            has_https=bool(self._where().https),
        )

    def _token(self, device: Device) -> str:
        """The token that a device is to push with."""
        tokens = self._look().tokens.values()
        mine = [one for one in tokens if one.device.id == device.id and one.expires_at is None]
        return mine[0].token if mine else ""

    async def _form(self, request: Request) -> dict[str, str]:
        if int(request.headers.get("Content-Length") or 0) > _MOST_FORM:
            return {}
        try:
            body = await self._bodies.read(request)
        except (TooLarge, TooSlow, Broken):
            return {}
        try:
            given = parse_qs(body[:_MOST_FORM].decode("ascii", "replace"), max_num_fields=8)
        except ValueError:  # more fields than a form of ours has
            return {}
        return {name: values[0] for name, values in given.items()}

    @property
    def _pages(self) -> Pages:
        if self._made is None:
            from mmconnect.phones.pair_pages import Pages

            self._made = Pages()
        return self._made

    def _page(self, name: str, **values: Any) -> Answer:
        return said.page(200, self._pages.page(name, site=self._look().tenant.name, **values))

    def _told(
        self,
        status: int,
        title: str,
        sentences: Sequence[str],
        *,
        again: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        page = self._pages.page("told", title=title, sentences=sentences, again=again)
        return said.page(status, page, headers)


def _is_visit(request: Request) -> bool:
    """Whether somebody follows a link, which shows nothing and uses nothing up."""
    headers = request.headers
    return "Origin" not in headers and headers.get("Sec-Fetch-Mode") == "navigate"


def _cookie_name(code: str) -> str:
    """Of its own for each code, so that one browser can pair several phones."""
    return f"pair_{codes.digest(code).hex()[:12]}"


def _cookies(request: Request) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in request.headers.get("Cookie", "").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}
