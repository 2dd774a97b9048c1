"""The guides of the phones' apps, with this machine's own addresses in them: for the help pages.

What belongs to one phone alone (its token, its key) stands as a word to be replaced; the pages of
that phone, and the one that its pairing code opens, have it filled in.
"""

from __future__ import annotations

from dataclasses import replace

from mmconnect.desk.around import Around
from mmconnect.domain.errors import NotFound
from mmconnect.phones.guides import GUIDES, by_phone
from mmconnect.phones.guides.guide import Field, Guide, Step, filled

STANDS_FOR = {"token": "TOKEN", "secret": "SIGNING-KEY", "id": "DEVICE-ID", "phone": "PHONE-IP"}


def by_kind() -> dict[str, list[Guide]]:
    """Every guide by what kind of phone it is for, likeliest first."""
    return {str(phone): list(guides) for phone, guides in by_phone().items()}


def guide(name: str, around: Around) -> Guide:
    """One guide with this machine's addresses. Raises NotFound."""
    found = GUIDES.get(name)
    if found is None:
        raise NotFound(f"There is no guide for {name!r}")
    base = around.base_for(name) or "http://THIS-MACHINE:8481"
    values = {**STANDS_FOR, "base": base, "url": f"{base}/in/{STANDS_FOR['token']}"}
    return replace(
        found,
        steps=tuple(_step(step, values) for step in found.steps),
        warnings=tuple(filled(text, values) for text in found.warnings),
        notes=tuple(filled(text, values) for text in found.notes),
    )


def _step(step: Step, values: dict[str, str]) -> Step:
    return replace(
        step,
        title=filled(step.title, values),
        text=filled(step.text, values),
        after=filled(step.after, values),
        fields=tuple(_field(field, values) for field in step.fields),
        block=step.block and replace(step.block, text=filled(step.block.text, values)),
    )


def _field(field: Field, values: dict[str, str]) -> Field:
    return replace(field, value=filled(field.value, values), note=filled(field.note, values))
