"""The pairing code of a device, made and shown: by `device add`, `device new-token`, `device pair`.

Only the code's hash is kept, so this is the one time that it can be shown.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmconnect.cli import output
from mmconnect.domain.clock import iso
from mmconnect.domain.models import Device
from mmconnect.phones import codes
from mmconnect.phones.guides import GUIDES
from mmconnect.phones.guides.guide import Phone
from mmconnect.service.lock import running
from mmconnect.store import pairings


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A code that opens the pairing page of a device."""

    code: str = field(repr=False)
    expires_at: int
    """UTC ms."""


def invite(db: sqlite3.Connection, device_id: str, now: int) -> Invitation:
    """A new code for a device at `now` (UTC ms); its older ones end."""
    made = Invitation(code=codes.new_code(), expires_at=now + codes.LIFE)
    pairings.add(db, codes.digest(made.code), device_id, now, made.expires_at)
    return made


def as_json(invitation: Invitation, base: str) -> dict[str, Any]:
    """The code as `--json` has it; `base` is where a phone reaches this machine."""
    return {
        "pairUrl": codes.pair_url(base, invitation.code),
        "pairCode": codes.shown(invitation.code),
        "pairExpiresAt": iso(invitation.expires_at),
    }


def show(
    args: argparse.Namespace,
    device: Device,
    invitation: Invitation,
    base: str,
    directory: Path,
) -> None:
    """For a person: how to go on on the phone, or beside the modem."""
    url = codes.pair_url(base, invitation.code)
    guide = GUIDES.get(device.app)
    phone = guide is None or guide.phone in (Phone.ANDROID, Phone.IPHONE)
    print(f"\nSet {'the phone up in its' if phone else 'it up in a'} browser, step by step:\n")
    output.fields([("Open", url), ("or at", base + codes.PATH)])
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
