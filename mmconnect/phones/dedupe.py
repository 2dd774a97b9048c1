"""The keys by which a push is recognised when it comes again.

Per device, three rungs: the app's event id together with sender and text; sender, time of the SMS
and text, whatever way it came; and only where there is neither id nor time, the body, within the
app's window. In doubt, deliver.
"""

from __future__ import annotations

from hashlib import blake2b

from mmconnect.phones.push import IncomingText
from mmconnect.store.messages import Keys


def keys(device_id: str, sender: str, text: IncomingText, body: bytes, window: int) -> Keys:
    """The keys of one text of a push. `sender` is normalised; `window` is in seconds."""
    content = _content(sender, text)
    if text.event_id is not None:
        event = _hash(8, device_id, "event", text.event_id) + _hash(8, content)
    else:
        event = None
    moment = None
    if text.sent_at is not None:
        # Keys of one time lie together in the database: a new one is added at the end, not in the
        # middle of 90 days of others, which costs the disk a page for each text.
        seconds = (text.sent_at // 1000 & 0xFF_FFFF_FFFF).to_bytes(5, "big")
        moment = seconds + _hash(11, device_id, "moment", str(text.sent_at), content)
    elif text.time_mark is not None:
        moment = _hash(16, device_id, "moment", text.time_mark, content)
    if event is not None or moment is not None or window == 0:
        return Keys(event=event, moment=moment)
    # with the text, as one body may carry several
    return Keys(body=_hash(16, device_id, "body", body, content), window=window * 1000)


def _content(sender: str, text: IncomingText) -> str:
    parts = [text.kind.value, "announced" if text.announcement else "", sender, text.text]
    if text.subject or text.attachments:
        parts += [text.subject or "", repr(text.attachments)]
    return "\x00".join(parts)


def _hash(size: int, *parts: str | bytes) -> bytes:
    digest = blake2b(digest_size=size)
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.digest()
