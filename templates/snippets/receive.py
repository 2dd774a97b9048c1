import base64, hashlib, hmac, json, os, sqlite3, time
from http.server import BaseHTTPRequestHandler, HTTPServer


def verify(secret, headers, body):
    timestamp = headers.get("webhook-timestamp") or ""
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers.get('webhook-id')}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    given = (headers.get("webhook-signature") or "").encode().split()
    return any(hmac.compare_digest(expected, one) for one in given)


def verify_plain(secret, headers, body):
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
    names = "X-MMConnect-Signature", "X-MMConnect-Signature-Previous"
    given = [(headers.get(name) or "").encode() for name in names]
    return any(hmac.compare_digest(expected, one) for one in given)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if verify(os.environ["WEBHOOK_SECRET"], self.headers, body):
            text = json.loads(body)
            texts.execute("INSERT OR IGNORE INTO texts VALUES (:id, :from, :text)", text)
            self.send_response(204)
        else:
            self.send_response(401)
        self.end_headers()


if __name__ == "__main__":
    texts = sqlite3.connect("texts.db", isolation_level=None)
    texts.execute("CREATE TABLE IF NOT EXISTS texts (id PRIMARY KEY, sender, text)")
    HTTPServer(("", int(os.environ.get("PORT", 8490))), Receiver).serve_forever()
