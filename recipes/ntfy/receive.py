#!/usr/bin/env python3
"""mmconnect -> ntfy: a text becomes a notification on your phone or desktop.

It checks the signature, stores the text, answers, and then translates; whatever fails is tried
again from its store. Standard library only, Python 3.9 or later.

mmconnect's own news (a phone is silent, an endpoint is held …) come with a higher priority, if the
endpoint asks for them (--events). The message's id is the notification's sequence id: from ntfy
2.16 on, a repetition replaces the notification instead of making a second one.

Settings, from the environment or as systemd credentials of the same name in lower case:
WEBHOOK_SECRET (whsec_…), NTFY_URL (https://ntfy.sh), NTFY_TOPIC, NTFY_TOKEN (tk_…, where the topic
needs one), LISTEN (127.0.0.1:8490).

https://docs.ntfy.sh/publish/#publish-as-json …/#access-tokens …/#limitations (4,096 bytes a
message)
"""

# --- The same in all of these recipes: check, store, answer, then work. ---------------------------
import base64
import binascii
import hmac
import http.client
import json
import os
import socket
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LIMIT = 16 * 1024 * 1024  # bytes of a body
PAUSE = float(os.environ.get("RETRY_SECONDS", 5))  # until a second try; then twice as long, …
LONGEST = 300.0  # … up to this


class Later(Exception):
    """The other side is away or busy: the text waits and is tried again."""

    def __init__(self, *why, seconds=0, touched=True):
        super().__init__(*why)
        self.seconds = seconds  # to wait at least, as the other side asked
        self.touched = touched  # False when it certainly has not acted on the text


class Refused(Exception):
    """The other side will not take this text: it is set aside until the next start."""


def setting(name, default=None):
    """A setting, from the environment or from a credential of systemd (LoadCredential=)."""
    file = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere")) / name.lower()
    value = os.environ.get(name) or (file.read_text().strip() if file.is_file() else default)
    if value is None:
        sys.exit(f"Set {name}: in the environment, or as the credential {name.lower()}.")
    return value


def signed(secret, headers, body):
    """Whether one of the signatures fits, and is at most 5 minutes old (or ahead)."""
    timestamp = headers.get("webhook-timestamp") or ""
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False
    key = base64.b64decode(secret[len("whsec_") :])
    content = f"{headers.get('webhook-id')}.{timestamp}.".encode() + body
    right = b"v1," + base64.b64encode(hmac.digest(key, content, "sha256"))
    given = (headers.get("webhook-signature") or "").encode().split()
    return any(hmac.compare_digest(right, one) for one in given)


def wording(text):
    """What the person wrote; of an MMS also its subject and what was with it."""
    lines = [text.get("subject"), text["text"]]
    for part in text.get("attachments", ()):
        name, kind = part["name"] or "attachment", part["contentType"] or "unknown type"
        lines.append(f"[{name}, {kind}: on the phone only]")
    return "\n".join(line for line in lines if line) or "(empty)"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would arrive as a GET: it is an error instead."""

    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(NoRedirect)


def call(method, url, headers, body=None, none_for=()):
    """One request; the answer's JSON, or its text. None for a status in `none_for`."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    try:
        request = urllib.request.Request(url, data, headers, method=method)
        with opener.open(request, timeout=30) as answer:
            said = answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            why = f"status {error.code}", error.read(1000).decode(errors="replace")
        if error.code in none_for:
            return None
        if error.code in (400, 413, 415, 422):
            raise Refused(*why) from None
        asked = error.headers.get("Retry-After") or ""
        seconds = int(asked) if asked.isdecimal() else 0
        touched = method != "GET" and error.code >= 500 and error.code != 503
        raise Later(*why, seconds=seconds, touched=touched) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        touched = method != "GET" and not isinstance(
            reason, (ConnectionRefusedError, socket.gaierror)
        )
        raise Later(f"no answer ({type(reason).__name__})", str(reason), touched=touched) from None
    try:
        return json.loads(said)
    except ValueError:
        return said


class Store:
    """The texts, in SQLite: what is in it survives a power cut."""

    def __init__(self, path):
        self.lock, self.news = threading.Lock(), threading.Event()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.executescript(
            """PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS texts (
              n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sender TEXT, body BLOB,
              at REAL NOT NULL,
              state TEXT NOT NULL DEFAULT 'waiting', tries INTEGER NOT NULL DEFAULT 0,
              begun INTEGER NOT NULL DEFAULT 0, thread TEXT, error TEXT);
            CREATE INDEX IF NOT EXISTS by_sender ON texts (sender, n);
            CREATE INDEX IF NOT EXISTS undone ON texts (tries, n) WHERE state = 'waiting';
            UPDATE texts SET state = 'waiting' WHERE state = 'refused';"""
        )
        self.run("DELETE FROM texts WHERE state = 'done' AND at < ?", time.time() - 365 * 86400)

    def run(self, sql, *values):
        with self.lock:
            return self.db.execute(sql, values).fetchall()

    def add(self, text, body):
        """Keep a text; one that is known already by its id changes nothing."""
        add = "INSERT OR IGNORE INTO texts (id, sender, body, at) VALUES (?, ?, ?, ?)"
        self.run(add, text["id"], text.get("from"), body, time.time())
        self.news.set()

    def next(self):
        """(id, body, begun) of the text to do next: the sender's earlier ones come first."""
        found = self.run(
            """SELECT id, body, begun FROM texts AS t WHERE state = 'waiting' AND NOT EXISTS
              (SELECT 1 FROM texts WHERE sender = t.sender AND n < t.n AND state = 'waiting')
            ORDER BY tries, n LIMIT 1"""
        )
        return found[0] if found else None

    def thread(self, sender):
        """What `translate` returned for the last text of that sender, or None."""
        found = self.run(
            "SELECT thread, at FROM texts WHERE sender = ? AND thread IS NOT NULL"
            " ORDER BY n DESC LIMIT 1",
            sender,
        )
        return found[0] if found else (None, 0.0)


def step(store, translate):
    """Do the next text; False when none waits."""
    waits = store.next()
    if waits is None:
        return False
    name, body, begun = waits
    store.run("UPDATE texts SET tries = tries + 1, begun = 1 WHERE id = ?", name)
    text = json.loads(body)
    thread, at = store.thread(text.get("from"))
    try:
        thread = translate(text, thread, again=bool(begun), silent=time.time() - at)
    except (Refused, Later) as error:  # why is kept with the text: an answer may quote it
        touched = begun or (isinstance(error, Later) and error.touched)
        why = " ".join(error.args)
        store.run("UPDATE texts SET begun = ?, error = ? WHERE id = ?", touched, why, name)
        if isinstance(error, Later):
            raise
        store.run("UPDATE texts SET state = 'refused' WHERE id = ?", name)
        print(f"{name} was refused ({error.args[0]}): set aside", file=sys.stderr, flush=True)
        return True
    # The id stays, so that a repetition is known; what the person wrote does not.
    done = "UPDATE texts SET state='done', body=NULL, error=NULL, thread=?, at=? WHERE id=?"
    store.run(done, None if thread is None else str(thread), time.time(), name)
    return True


def work(store, translate):
    """Translate what waits, one after another, for ever."""
    failed = 0
    while True:
        store.news.clear()
        try:
            if not step(store, translate):
                store.news.wait()
            failed = 0
        except Exception as error:
            said = error.args[0] if isinstance(error, Later) else type(error).__name__
            pause = min(PAUSE * 2**failed, LONGEST)
            failed = min(failed + 1, 10)
            print(f"{said}; tried again in {pause:.0f} s", file=sys.stderr, flush=True)
            time.sleep(min(getattr(error, "seconds", 0), LONGEST))
            store.news.wait(pause)  # or as soon as another text has come


class Receiver(BaseHTTPRequestHandler):
    timeout = 15

    def do_POST(self):
        length = self.headers.get("content-length") or ""
        if not length.isdecimal() or int(length) > LIMIT:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if not signed(self.server.secret, self.headers, body):
            return self.answer(401)
        try:
            self.server.store.add(json.loads(body), body)
        except sqlite3.Error as error:
            print(f"the text could not be stored: {error}", file=sys.stderr, flush=True)
            return self.answer(503)  # mmconnect keeps it and comes back
        self.answer(204)

    def do_GET(self):
        """How many texts wait, and how many were refused: for monitoring."""
        count = "SELECT count(*) FROM texts WHERE state = ?"
        found = {name: self.server.store.run(count, name)[0][0] for name in ("waiting", "refused")}
        self.answer(200, json.dumps(found).encode())

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


def main(translate, receiver=Receiver):
    secret = setting("WEBHOOK_SECRET")
    try:
        base64.b64decode(secret[len("whsec_") :], validate=True)
    except binascii.Error:
        secret = ""
    if not secret.startswith("whsec_"):
        sys.exit("WEBHOOK_SECRET is not whsec_ and base64: mmconnect shows it with the endpoint.")
    host, _, port = setting("LISTEN", "127.0.0.1:8490").rpartition(":")
    store = Store(Path(setting("STATE_DIRECTORY", ".")) / "texts.db")
    server = Server((host, int(port)), receiver)
    server.secret, server.store = secret, store
    threading.Thread(target=work, args=(store, translate), daemon=True).start()
    print(f"Listening on {host}:{server.server_port}", flush=True)
    server.serve_forever()


# --- End of what is the same. ---------------------------------------------------------------------


def translate(text, thread, again, silent):
    if text["event"] == "message.received":
        title = f"SMS from {text['from'] or 'unknown'}"
        body = {"title": f"Test: {title}" if text["test"] else title, "tags": ["incoming_envelope"]}
        said = wording(text)
    else:
        body = {"title": f"mmconnect: {text['event']}", "tags": ["warning"], "priority": 4}
        said = text["message"]
    if len(said.encode()) > 4000:
        said = said.encode()[:3900].decode(errors="ignore") + "… (cut: mmconnect has the whole)"
    body.update(topic=TOPIC, message=said, sequence_id=text["id"])
    call("POST", URL, {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}, body)
    return None


if __name__ == "__main__":
    URL = setting("NTFY_URL", "https://ntfy.sh").rstrip("/") + "/"
    TOPIC = setting("NTFY_TOPIC")
    TOKEN = setting("NTFY_TOKEN", "")
    main(translate)
