"""The phones of a configuration document: changed where they are here already, else added."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mmconnect.desk import device_values
from mmconnect.desk import devices as phones
from mmconnect.desk.config_reading import Part
from mmconnect.desk.config_steps import Place, Step, differ, meant
from mmconnect.domain.errors import Invalid
from mmconnect.domain.ids import DEVICE
from mmconnect.domain.models import Device
from mmconnect.phones.tokens import new_token
from mmconnect.store import devices

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}", re.ASCII)
_KNOWN = (*phones.FIELDS, "id", "token", "fetchedFrom")


def put(part: Part, at: Place, withheld: set[str], ids: dict[str, str]) -> Iterable[Step]:
    """One phone; `ids` gets the id that it has here by that of the document."""
    part.only(_KNOWN)
    given = {name: value for name, value in part.values.items() if name in phones.FIELDS}
    try:
        values = device_values.checked(given)
    except Invalid as error:
        for issue in error.issues:
            part.wrong(issue.path, issue.message)
        return
    wanted, token = part.id(DEVICE), part.get("token", str)
    present = meant(devices.known(at.db), wanted, values.get("name"), set(ids.values()))
    if present is None and "name" not in values:
        part.wrong("name", "A phone has a name")
        return
    owner = next((t.device_id for t in devices.tokens(at.db) if t.token == token), None)
    if token is not None and not _TOKEN.fullmatch(token):
        message = "A token has 16 to 200 letters and digits: leave it out, and one is made"
        part.wrong("token", message)
    elif owner is not None and (present is None or owner != present.id):
        part.wrong(
            "token", f"Another phone has this token ({owner}): leave it out, and one is made"
        )
    elif present is None:
        yield from _add(part, at, withheld, ids, values, wanted, token)
    else:
        ids[wanted or present.id] = present.id
        yield from _change(at, present, values, token if owner is None else None)


def _add(
    part: Part,
    at: Place,
    withheld: set[str],
    ids: dict[str, str],
    values: dict[str, Any],
    wanted: str | None,
    token: str | None,
) -> Iterable[Step]:
    taken = {one.id for one in devices.known(at.db, removed=True)}
    made = phones.with_values(phones.fresh(values["name"]), values)
    made = replace(
        made,
        id=wanted if wanted and wanted not in taken else at.ids.new(DEVICE),
        push_base=at.base_for(made.app),
        created_at=at.now,
    )
    ids[wanted or made.id] = made.id
    given = token or new_token()
    devices.add(at.db, made, given)
    phones.note(at.db, at.by, at.now, "device.added", made, "imported")
    told = ["has a new token: pair the phone again"] if token is None else []
    if f"{part.path}.signingKey" in withheld:
        told.append("its signing key was left out: set it again")
    if (url := part.get("fetchedFrom", str)) is not None:
        told.append(f"was fetched from at {url}: link it again (device link)")
    yield Step(
        what="added",
        subject=made.id,
        name=made.name,
        detail="; ".join(told),
        secret=given if token is None else None,
    )


def _change(
    at: Place, present: Device, values: dict[str, Any], token: str | None
) -> Iterable[Step]:
    made = phones.with_values(present, values)
    what = [name for name, field in phones.FIELDS.items() if differ(present, made, field)]
    if what:
        devices.change(at.db, made)
    if token is not None:
        devices.replace_token(at.db, made.id, token, at.now)
        what.append("token")
    if what:
        phones.note(at.db, at.by, at.now, "device.changed", made, ", ".join(what))
        yield Step(what="changed", subject=made.id, name=made.name, detail=", ".join(what))
