"""What each app loses while mmconnect, or the Wi-Fi, is away: a label for the phone's page."""

from __future__ import annotations

_LABELS = {
    "smsgate": "survives 45 hours",
    "incoming_sms": "survives hours; 4 days with 30 retries",
    "smsforwarder": "lost while mmconnect or Wi-Fi is away; a minute is survived with retries",
}


def loss_label(app: str, *, pulled: bool) -> str | None:
    """The label of a device's app, or None where nobody can tell, as with `auto`.

    A phone that is fetched from keeps its texts until they have been fetched.
    """
    return "nothing is lost" if pulled else _LABELS.get(app)
