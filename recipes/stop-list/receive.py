#!/usr/bin/env python3
"""mmconnect -> a list of who has sent STOP, for the software that sends your texts.

It checks the signature, stores the text, answers, and then translates; whatever fails is tried
again from its store. Standard library only, Python 3.9 or later.

A text that says STOP (in capitals or not, in many languages, with or without a full stop) puts its
number on the list, START takes it off. Three ways to use the list: the file optouts.txt in the
state directory (one number a line, replaced whole); GET /?number=%2B6581230000 with the bearer
token OPTOUT_TOKEN, which answers {"number","out","since","id"}; and a POST of the same to
OPTOUT_URL at each change, tried again until it is taken.

The word has to be the whole message, but for a "please stop texting me": "I cannot stop laughing"
or "Stop by tomorrow" changes nothing. Add words of your own with STOP_WORDS and START_WORDS
(a,b,c). What confirms the STOP to its sender is up to what sends.

Settings, from the environment or as systemd credentials of the same name in lower case:
WEBHOOK_SECRET (whsec_…), OPTOUT_TOKEN, OPTOUT_URL, OPTOUT_URL_TOKEN (all three optional), LISTEN
(127.0.0.1:8490).

The English and French words, what carriers in the US and Canada require; those of other languages
are the plain words for it:
https://docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html
https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
"""

import unicodedata

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


STOP = """stop stopall stopp unsubscribe optout remove cancel end quit revoke arret
desabonner fin baja parar alto cancelar sair ferma basta annulla abmelden abbestellen
afmelden avmeld avsluta rezygnuje dur iptal ret стоп отписаться отмена توقف إلغاء berhenti
ยกเลิก td 退订 退訂 取消订阅 取消訂閱 停止 配信停止 解除 수신거부 중지"""
START = """start unstop optin subscribe anmelden alta iniciar inizia empezar aanmelden старт ابدأ
mulai 订阅 訂閱 開始 시작"""
# These may stand beside it: "Please STOP texting me", "Bitte stopp!"
BESIDE = """please pls now all texting texts text sending sms message messages msg me us thanks
thank you bitte danke alle svp s il vous plait merci por favor gracias per favore grazie"""


def plain(said):
    """The words without accents, case, punctuation: "¡STOP!", "Arrêt." are stop, arret."""
    letters = unicodedata.normalize("NFKD", said).casefold()
    letters = (c for c in letters if not 0x300 <= ord(c) <= 0x36F)
    kept = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in letters)
    return kept.replace("opt out", "optout").replace("opt in", "optin").split()


def phrases(given, between=None):
    return {" ".join(plain(one)) for one in given.split(between)} - {""}


def meaning(said):
    """True for STOP, False for START, None for anything else."""
    found = plain(said)
    for words in (found, [word for word in found if word not in BESIDES]):
        if (phrase := " ".join(words)) in STOPS | STARTS:
            return phrase in STOPS
    return None


def translate(text, thread, again, silent):
    if text["event"] != "message.received" or text["test"] or not text["from"]:
        return None
    out = meaning(text["text"])
    if out is None:
        return None
    number, since = text["from"], text["receivedAt"]
    with lock:
        row = (number, out, since, text["id"])
        people.execute("INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?)", row)
        write_file()
    if URL:
        body = {"number": number, "out": out, "since": since, "id": text["id"]}
        headers = {"Authorization": f"Bearer {URL_TOKEN}"} if URL_TOKEN else {}
        call("POST", URL, headers, body)
    return None


def write_file():
    """Replace the file whole, so that nobody ever reads half a list."""
    listed = people.execute("SELECT number FROM people WHERE out ORDER BY number").fetchall()
    fresh = FOLDER / "optouts.txt.new"
    with fresh.open("w", encoding="utf-8") as file:
        file.writelines(f"{number}\n" for (number,) in listed)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(FOLDER / "optouts.txt")


class Lookup(Receiver):
    def do_GET(self):
        given = (self.headers.get("authorization") or "").encode()
        if not LIST_TOKEN or not hmac.compare_digest(given, f"Bearer {LIST_TOKEN}".encode()):
            return self.answer(401)
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        number = asked.get("number", [""])[0]
        with lock:
            row = people.execute("SELECT * FROM people WHERE number = ?", (number,)).fetchone()
        _, out, since, name = row or (number, 0, None, None)
        found = {"number": number, "out": bool(out), "since": since, "id": name}
        self.answer(200, json.dumps(found).encode())


if __name__ == "__main__":
    URL, URL_TOKEN = setting("OPTOUT_URL", ""), setting("OPTOUT_URL_TOKEN", "")
    LIST_TOKEN = setting("OPTOUT_TOKEN", "")
    STOPS = phrases(STOP) | phrases(setting("STOP_WORDS", ""), ",")
    STARTS = phrases(START) | phrases(setting("START_WORDS", ""), ",")
    BESIDES = phrases(BESIDE)
    FOLDER = Path(setting("STATE_DIRECTORY", "."))
    lock = threading.Lock()
    people = sqlite3.connect(FOLDER / "people.db", check_same_thread=False, isolation_level=None)
    people.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS people"
        " (number TEXT PRIMARY KEY, out INTEGER NOT NULL, since TEXT NOT NULL, id TEXT NOT NULL);"
    )
    write_file()
    main(translate, Lookup)
