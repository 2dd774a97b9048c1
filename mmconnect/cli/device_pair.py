"""The pairing code of a device as `device add`, `device new-token` and `device pair` show it.

Only the code's hash is kept, so this is the one time that it can be shown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmconnect.cli import output
from mmconnect.desk.around import Around
from mmconnect.desk.devices import Invitation
from mmconnect.domain.models import Device
from mmconnect.phones import codes
from mmconnect.phones.guides import GUIDES
from mmconnect.phones.guides.guide import Phone
from mmconnect.service.lock import running


def show(
    args: argparse.Namespace,
    device: Device,
    invitation: Invitation,
    around: Around,
    directory: Path,
) -> None:
    """For a person: how to go on on the phone, or beside the modem."""
    url = invitation.url(around)
    guide = GUIDES.get(device.app)
    phone = guide is None or guide.phone in (Phone.ANDROID, Phone.IPHONE)
    print(f"\nSet {'the phone up in its' if phone else 'it up in a'} browser, step by step:\n")
    output.fields([("Open", url), ("or at", around.pages + codes.PATH)])
    print(f"and type the code  {codes.shown(invitation.code)}")
    if sys.stdout.isatty():
        import segno

        print()
        segno.make(url, error="m", micro=False).terminal(compact=True)
    until = output.local(invitation.expires_at)[11:16]
    again = f"{output.command(args)} device pair {device.id}"
    print(f"\nThe code is good until {until}, for one browser and one phone. A new one: {again}")
    if running(directory) is None:
        print(f"The service is not running, and it has that page: {output.command(args)} serve")
