"""The guides, by the name that a device's `app` has: how to make each app push its texts.

Data for the pairing page and for docs/phones. Imported only when somebody looks at one.
"""

from __future__ import annotations

from collections.abc import Mapping

from mmconnect.phones.guides.automation import AUTOMATE, MACRODROID, SHORTCUTS, TASKER, TERMUX
from mmconnect.phones.guides.forwarders import INCOMING_SMS, SMSFORWARDER, SMSGATE
from mmconnect.phones.guides.guide import Guide, Phone
from mmconnect.phones.guides.modems import GAMMU, GENERIC, KANNEL, SMSTOOLS

GUIDES: Mapping[str, Guide] = {
    guide.name: guide
    for guide in (
        *(INCOMING_SMS, SMSGATE, SMSFORWARDER, TASKER, MACRODROID, AUTOMATE, TERMUX),
        *(SHORTCUTS, GAMMU, SMSTOOLS, KANNEL, GENERIC),
    )
}
"""Every guide, in the order in which people should consider them."""


def loss_label(app: str, *, pulled: bool) -> str | None:
    """What is lost while mmconnect is away, in a few words; None where nobody can tell (`auto`).

    `pulled`: whether the phone is fetched from.
    """
    guide = GUIDES.get(app)
    if guide is None:
        return None
    return (guide.fetched if pulled and guide.fetched else guide.loss).label


def by_phone() -> Mapping[Phone, list[Guide]]:
    """The guides of each kind of phone, in their order."""
    found: dict[Phone, list[Guide]] = {}
    for guide in GUIDES.values():
        found.setdefault(guide.phone, []).append(guide)
    return found
