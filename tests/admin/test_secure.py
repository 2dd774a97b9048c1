"""The admin side over HTTPS: pages lead there, machines are left alone, the CA can be fetched."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from mmconnect.admin.secure import Secure
from mmconnect.admin.site import make_site
from mmconnect.web.https import location
from tests.support.desk import desk_of, scraped
from tests.support.inprocess import Appliance, appliance

BARE = socket.gethostname().partition(".")[0].lower()


def site(box: Appliance, secure: Secure | None) -> web.Application:
    return make_site(desk_of(box), scraped, secure)


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/", True),
        ("/devices?sort=name", True),
        ("/staticky", True),
        ("/v1x", True),
        ("/healthz", False),
        ("/readyz", False),
        ("/metrics", False),
        ("/ca.crt", False),
        ("/static/style.css", False),
        ("/v1/endpoints", False),
    ],
)
async def test_pages_lead_to_https_and_nothing_else_does(tmp_path: Path, path: str, leads: bool):
    async with appliance(tmp_path) as box:
        app = site(box, Secure(port=lambda: 8483))
        async with TestClient(TestServer(app)) as client:
            for host in ("127.0.0.1:8480", f"{BARE}.local", "[fd00::20]:8480"):
                told = await client.get(path, headers={"Host": host}, allow_redirects=False)
                assert (told.status == 307) is leads
                if leads:
                    name = host.removesuffix(":8480")
                    assert told.headers["Location"] == f"https://{name}:8483{path}"
                assert "default-src 'none'" in told.headers["Content-Security-Policy"]


async def test_nothing_leads_anywhere_while_there_is_no_https(tmp_path: Path):
    async with appliance(tmp_path) as box, TestClient(TestServer(site(box, None))) as client:
        assert (await client.get("/", allow_redirects=False)).status == 200


@pytest.mark.parametrize("header", ["X-Forwarded-Proto", "X-Forwarded-For", "Forwarded", "Via"])
async def test_a_proxy_that_speaks_https_itself_is_not_sent_in_circles(tmp_path: Path, header: str):
    async with (
        appliance(tmp_path) as box,
        TestClient(TestServer(site(box, Secure(port=lambda: 8483)))) as client,
    ):
        told = await client.get("/", headers={header: "https"}, allow_redirects=False)
        assert told.status == 200


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("", "/"),
        ("evil.example/path", "/"),
        ("user@evil.example", "/"),
        ("a b", "/"),
        ("a", "//evil.example\r\nX: y"),
        ("a", "https://evil.example/"),
        ("a", ""),
        ("a:port", "/"),
    ],
)
def test_what_makes_no_url_leads_nowhere(host: str, target: str):
    assert location(host, 8483, target) is None
    assert location("reception", None, "/") is None


async def test_the_certificate_to_install(tmp_path: Path):
    pem: bytes | None = None
    async with appliance(tmp_path) as box:
        app = site(box, Secure(authority=lambda: pem))
        async with TestClient(TestServer(app)) as client:
            none = await client.get("/ca.crt")
            assert none.status == 404
            assert "mmconnect tls create-ca" in await none.text()
            pem = b"-----BEGIN CERTIFICATE-----"
            told = await client.get("/ca.crt")
            assert (told.status, await told.read()) == (200, pem)
            assert told.headers["Content-Type"] == "application/x-x509-ca-cert"
            assert "mmconnect-ca.crt" in told.headers["Content-Disposition"]
            assert told.headers["X-Content-Type-Options"] == "nosniff"
