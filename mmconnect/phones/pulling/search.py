"""A phone that is no longer at its address is looked for where its pushes last came from.

Its token goes along, so only to where a push came from that the phone had signed; and what answers
there has to be the same phone.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from mmconnect.phones.clients.http import Refused, Unreachable
from mmconnect.phones.clients.smsgate import SmsGate, bearer
from mmconnect.phones.pulling.tools import Tools
from mmconnect.store.links import Link


async def found_elsewhere(tools: Tools, link: Link, access: str) -> SmsGate | None:
    """The phone of a link at its new address, or None. `access` is the phone's own token."""
    address = tools.presences.of(link.device_id).last_address
    old = urlsplit(link.url)
    signed = tools.device(link).signing_key is not None
    if not address or not signed or address == old.hostname:
        return None
    host = f"[{address}]" if ":" in address else address
    gate = SmsGate(tools.http, f"{old.scheme}://{host}:{old.port or 80}")
    try:
        await gate.health()
        phone_id, _ = await gate.phone_id(bearer(access))
    except (Unreachable, Refused):
        return None
    return gate if phone_id == link.phone_id else None
