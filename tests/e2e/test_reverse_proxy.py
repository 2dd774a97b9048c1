"""The files of docs/reverse-proxy.md, as they are printed, in a real nginx and a real Caddy.

Only ports and files are put in the place of those on the page. The browser's connection comes from
127.0.0.2, so that what mmconnect says of it can only come from the proxy.
"""

from __future__ import annotations

import http.client
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.phones import generic_json
from tests.support.service import PATIENCE, ROOT, Service, until
from tests.support.tls import authority

pytestmark = pytest.mark.apt

PAGE = (ROOT / "docs" / "reverse-proxy.md").read_text(encoding="utf-8")
FILES = {
    (kind, title): text
    for kind, title, text in re.findall(r'```(\w+) title="([^"]+)"\n(.*?)```', PAGE, re.DOTALL)
}
PASSWORD = "correct horse battery"
BROWSER = "127.0.0.2"
FORM = "application/x-www-form-urlencoded"
HOSTS = {"A name of its own": "mm.example.org", "Below a path": "home.example.org"}

CADDY = """{
	admin off
	https_port PORT
	auto_https disable_redirects
	local_certs
	skip_install_trust
}
"""
NGINX = """daemon off;
USER
pid DIR/pid;
error_log DIR/error.log warn;
events {}
http {
	access_log DIR/access.log;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
FILE
}
"""


@dataclass(kw_only=True)
class Browser:
    """Speaks HTTPS with the proxy, and keeps its cookies."""

    port: int
    host: str
    base: str
    cookies: dict[str, str] = field(default_factory=dict)
    set: list[str] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request from BROWSER; names of headers have `_` for `-`."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        line = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE, (BROWSER, 0))
        line.sock = trusting.wrap_socket(plain, server_hostname=self.host)
        told = {
            "Host": self.host,
            "Origin": f"https://{self.host}",
            "Content-Type": FORM,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        try:
            line.request(
                method, path, body, told | {k.replace("_", "-"): v for k, v in headers.items()}
            )
            answer = line.getresponse()
            content = answer.read()
        finally:
            line.close()
        self.set = answer.headers.get_all("Set-Cookie") or []
        for cookie in self.set:
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer.status, answer.headers, content

    def get(self, path: str) -> str:
        """A page below the base, which has to be there."""
        status, _, body = self.ask("GET", self.base + path)
        assert status == 200, (path, status, body.decode()[:2000])
        return body.decode()

    def post(self, path: str, **form: str) -> tuple[int, bytes]:
        status, _, body = self.ask("POST", self.base + path, urlencode(form).encode())
        return status, body


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


def nginx(folder: Path, text: str, port: int) -> list[str]:
    """Its command line for a file of the page."""
    authority(folder)
    if "server {" not in text:
        text = (
            "server {\n\tlisten 443 ssl;\n\tserver_name home.example.org;\n"
            "\tssl_certificate X.pem;\n\tssl_certificate_key X.pem;\n" + text + "}\n"
        )
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}")
    text = re.sub(r"(ssl_certificate) .*;", rf"\1 {folder}/cert;", text)
    text = re.sub(r"(ssl_certificate_key) .*;", rf"\1 {folder}/key;", text)
    whole = NGINX.replace("DIR", str(folder)).replace("FILE", text)
    whole = whole.replace("USER", "user root;" if os.getuid() == 0 else "")
    (folder / "nginx.conf").write_text(whole)
    return [program("nginx"), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]


def caddy(folder: Path, text: str, port: int) -> list[str]:
    """Its command line for a file of the page; the certificate is of its own making."""
    (folder / "Caddyfile").write_text(CADDY.replace("PORT", str(port)) + text)
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"]


START = {"nginx": nginx, "caddy": caddy}


def with_phones(kind: str, text: str) -> str:
    """A file of the page with the part for phones in its site."""
    phones = FILES[kind, "Phones"]
    if kind == "nginx" and "server {" not in text:
        return text + phones
    end = text.rindex("}")
    part = f"handle {{\n{text[text.index('{') + 1 : end]}}}\n" if "handle" not in text else ""
    if kind == "nginx" or not part:
        return text[:end] + phones + text[end:]
    return text[: text.index("{") + 1] + "\n" + phones + part + "}\n"  # Caddy's handles exclude


def held_port(stack: ExitStack) -> int:
    """A port of 127.0.0.1 that nobody else is given, though the proxy can take it."""
    keeper = stack.enter_context(socket.socket())
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    return int(keeper.getsockname()[1])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def behind(stack: ExitStack, tmp_path: Path, kind: str, title: str) -> tuple[Service, Browser]:
    """mmconnect, set up as the page says, and its proxy, which answers."""
    program(kind)
    service = Service(tmp_path / "data")
    service.start()
    stack.callback(service.kill)
    service.cli("admin", "set-password", "--password", f"@{written(tmp_path)}")
    host, base = HOSTS[title], "/mmconnect" if title == "Below a path" else ""
    for line in re.findall(r"^mmconnect (settings set .+)$", PAGE, re.MULTILINE):
        words = shlex.split(line.replace("mm.example.org", host))
        if "base_path" not in words or base:
            service.cli(*words)
    service.noticed()
    port = held_port(stack)
    text = with_phones(kind, FILES[kind, title])
    text = text.replace(":8480", f":{service.admin[1]}").replace(":8481", f":{service.phone[1]}")
    folder = tmp_path / "proxy"
    folder.mkdir()
    log = stack.enter_context((folder / "output").open("wb"))
    proxy = subprocess.Popen(
        START[kind](folder, text, port),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)},
    )
    stack.callback(proxy.wait, PATIENCE)
    stack.callback(proxy.terminate)
    browser = Browser(port=port, host=host, base=base)

    def answers() -> bool:
        assert proxy.poll() is None, (folder / "output").read_text()
        try:
            return browser.ask("GET", f"{base}/login")[0] == 200
        except OSError:
            return False

    until(answers, lambda: (folder / "output").read_text()[-3000:])
    return service, browser


def log_of(tmp_path: Path) -> str:
    """What the proxy has noted, in its files and on its output."""
    files = [*(tmp_path / "proxy").glob("*.log"), tmp_path / "proxy" / "output"]
    return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


def written(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    return file


@pytest.mark.parametrize("title", HOSTS)
@pytest.mark.parametrize("kind", START)
def test_mmconnect_behind_it(stack: ExitStack, tmp_path: Path, kind: str, title: str):
    service, browser = behind(stack, tmp_path, kind, title)

    # Who asks is believed to the proxy alone, and the cookie is for HTTPS.
    assert browser.post("/login", password=PASSWORD)[0] == 303
    (cookie,) = [one for one in browser.set if "mmconnect=" in one]
    assert cookie.startswith("__Secure-mmconnect=" if browser.base else "__Host-mmconnect=")
    assert "; Secure" in cookie
    sessions = browser.get("/settings/sessions")
    assert f'data-label="Address">{BROWSER}<' in sessions
    for name, value in {
        "X-Forwarded-For": "192.0.2.66",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=192.0.2.66;host=evil.example;proto=http",
    }.items():
        status, _, _ = browser.ask(
            "POST",
            f"{browser.base}/login",
            urlencode({"password": PASSWORD}).encode(),
            Cookie="",
            **{name: value},
        )
        assert status == 303, name
        assert any(one.startswith("__") and "mmconnect=" in one for one in browser.set), name
    told = re.findall(r'data-label="Address">([^<]*)<', browser.get("/settings/sessions"))
    assert told == [BROWSER] * 5
    overview = browser.get("/")
    assert "that is not trusted" not in overview

    # Every link and every style is where the browser can get it.
    links = set(re.findall(r'(?:href|src|action)="(/[^"#]*)"', overview))
    assert len(links) > 10
    assert all(one.startswith(f"{browser.base}/") for one in links)
    for one in links:
        if "/static/" in one:
            assert browser.ask("GET", one)[0] == 200, one
    status, headers, _ = browser.ask("GET", browser.base or "/")
    assert status == 200 or headers["Location"].endswith("/mmconnect/")

    # A backup that is larger than nginx would take goes out, and comes back.
    token = service.cli("device", "add", "--name", "Reception")["token"]
    for n in range(30):
        headers_of, push = generic_json({"from": "+6581230000", "text": f"{n} " + "x" * 60_000})
        status, _, body = browser.ask(
            "POST",
            f"/in/{token}",
            push,
            **{name.replace("-", "_").title(): value for name, value in headers_of.items()},
        )
        assert status == 200, body
    assert service.count("SELECT count(*) FROM messages") == 30
    status, copy = browser.post("/settings/backup")
    assert (status, copy[:16]) == (200, b"SQLite format 3\0")
    assert len(copy) > 2**20
    head = b'------x\r\nContent-Disposition: form-data; name="file"; filename="it.db"\r\n\r\n'
    status, _, body = browser.ask(
        "POST",
        f"{browser.base}/settings/backup/bring",
        head + copy + b"\r\n------x--\r\n",
        Content_Type="multipart/form-data; boundary=----x",
    )
    assert status == 200, body[:2000]
    assert b"Restore this backup?" in body
    noted = log_of(tmp_path)
    assert "buffered to a temporary file" not in noted
    assert token not in noted
    assert kind != "nginx" or "/settings/sessions" in noted, "it keeps a log, else"

    # Machines: the API with a key, probes, and no metrics for whoever comes through it.
    key = service.cli("api-key", "create", "--name", "Script", "--scope", "read")["key"]
    told_to = browser.ask(
        "GET", f"{browser.base}/v1/messages", Cookie="", Authorization=f"Bearer {key}"
    )
    assert told_to[0] == 200
    assert browser.ask("GET", f"{browser.base}/healthz", Cookie="")[0] == 200
    assert browser.ask("GET", f"{browser.base}/metrics", Cookie="")[0] == 401
