"""docs/phones, made from the guides: python -m scripts.phone_pages (or `make docs`)

One page for each app and the overview. tests/docs compares them with what this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmconnect.phones.guides import GUIDES, by_phone
from mmconnect.phones.guides.guide import Field, Guide, Loss, Phone, Role, Step, filled

FOLDER = Path(__file__).parents[1] / "docs" / "phones"
VALUES = {
    "url": "PUSH-URL",
    "token": "TOKEN",
    "base": "http://192.168.1.20:8481",
    "secret": "KEY",
    "id": "DEVICE-ID",
    "phone": "192.168.1.31",
}
"""What stands for a device's own values here."""
_MADE = "<!-- Made by scripts/phone_pages.py from mmconnect/phones/guides: change it there. -->\n"
_CELL = 60
"""Letters that a value in a table can have."""


def pages() -> dict[str, str]:
    """Every page, by its file's name."""
    return {"README.md": _overview(), **{f"{g.name}.md": _page(g) for g in GUIDES.values()}}


def _overview() -> str:
    lines = [
        _MADE,
        "# Which app?",
        "",
        "The phone that receives the texts has an app that pushes each of them to mmconnect. Which"
        " one is up to you; the last column says what becomes of a text that comes while mmconnect"
        " (or the Wi-Fi) is away. In doubt, on an Android phone: the first is set up in minutes,"
        " and with the second nothing is lost, as mmconnect also fetches what it has.",
        "",
        "| phone | app | effort | HTTPS | when mmconnect is away |",
        "|---|---|---|---|---|",
    ]
    for phone, guides in by_phone().items():
        for guide in guides:
            https = _https(guide)
            row = (phone, f"[{guide.label}]({guide.name}.md)", guide.effort, https, _label(guide))
            lines.append("| " + " | ".join(row) + " |")
    lines += [
        "",
        "`mmconnect device add --name Reception` prints a link and a code: opened in the phone's"
        " browser, the [pairing page](../phone-apps.md#pairing) shows the same steps with your own"
        " values to copy, and says when the first text has arrived.",
        "",
        _pictures("continue-light", "steps-incoming_sms-light", "wait-light", "arrived-dark"),
        "",
        "What all of them have in common, and how anything else can push: [phone"
        " apps](../phone-apps.md).",
    ]
    return "\n".join(lines) + "\n"


def _https(guide: Guide) -> str:
    if not guide.needs_https:
        return "not needed"
    return "needed for pushes, not for fetching" if guide.fetched else "needed"


def _printed(guide: Guide) -> str:
    """Which of the printed values the steps speak of."""
    names = (("url", "the push URL"), ("id", "the device's id"))
    steps = str(guide.steps)
    used = [f"{said} (`{VALUES[word]}` below)" for word, said in names if "{" + word + "}" in steps]
    return "".join(f"{one}, " for one in used[:-1]) + f"{used[-1]} and "


def _label(guide: Guide) -> str:
    if guide.fetched is None:
        return guide.loss.label
    return f"{guide.fetched.label}; with pushes alone: {guide.loss.label}"


def _page(guide: Guide) -> str:
    return "\n".join(_lines(guide)) + "\n"


def _lines(guide: Guide) -> Iterator[str]:
    yield from (_MADE, f"# {guide.label}", "", guide.summary, "")
    yield from ("| | |", "|---|---|", f"| for | {guide.phone} |")
    if guide.source is not None:
        note = f" {guide.source.note}" if guide.source.note else ""
        yield f"| from | [{guide.source.label}]({guide.source.url}).{note} |"
    if guide.minimum:
        yield f"| version | {guide.minimum} |"
    yield f"| effort | {guide.effort} |"
    yield f"| HTTPS | {_https(guide)} |"
    yield f"| when mmconnect is away | **{_label(guide)}** |"
    yield from ("", "## 0. Add the device", "")
    yield "On the computer with mmconnect (with the package it is `sudo mmconnect …`; in the"
    yield from ("browser *Phones, Connect a phone*):", "")
    yield from ("```sh", f"mmconnect device add --name Reception --app {guide.name} --country SG")
    yield from ("```", "")
    yield f"It prints {_printed(guide)}a link to the [pairing"
    yield "page](../phone-apps.md#pairing), which has all of this with your own values to copy."
    for number, step in enumerate(guide.steps, start=1):
        yield from _step(number, step)
    if guide.phone is Phone.ANDROID:
        yield from ("", f"## {len(guide.steps) + 1}. Keep it awake", "")
        yield "In Android's settings, exempt the app from battery saving and let it start by"
        yield "itself. Keep the phone on its charger. RCS chats are no SMS: switch RCS off in the"
        yield "messages app, or no forwarding app sees them."
    yield from ("", "## When mmconnect is away", "")
    if guide.fetched is None:
        text = _loss(guide.loss)
        yield f"**{text[2].upper()}{text[3:]}"
    else:
        yield from ("With fetching: " + _loss(guide.fetched), "")
        yield "Pushes alone: " + _loss(guide.loss)
    if guide.warnings or guide.notes:
        yield from ("", "## Good to know", "")
        yield from (f"* {one}" for one in guide.warnings + guide.notes)


def _loss(loss: Loss) -> str:
    return f"**{loss.label}.** {loss.why}"


def _step(number: int, step: Step) -> Iterator[str]:
    only = " (with a signing key)" if step.keyed else ""
    yield from ("", f"## {number}. {step.title}{only}", "")
    if step.text:
        yield filled(step.text, VALUES)
    if step.certificate:
        yield "`mmconnect tls create-ca` makes it;"
        yield "[HTTPS](../https.md#install-the-ca-on-android) says how to install it."
    if step.fields:
        yield from ("", "| field | value |", "|---|---|")
        yield from (_row(field) for field in step.fields)
        for field in step.fields:
            if _is_large(field):
                yield from ("", f"{field.name}:", "")
                yield from _fenced("json" if field.role is Role.BODY else "text", field.value)
    if step.block is not None:
        yield from ("", f"{step.block.title}:", "")
        yield from _fenced(step.block.language, step.block.text)
    if step.after:
        yield from ("", filled(step.after, VALUES))


def _row(field: Field) -> str:
    value = filled(field.value, VALUES)
    shown = f"`{value}`" if field.copied else value
    notes = [field.note] if field.note else []
    if field.keyed:
        notes.insert(0, "the signing key, if the device has one")
    if _is_large(field):
        shown = "below"
    return f"| {field.name} | {shown}{' (' + '; '.join(notes) + ')' if notes else ''} |"


def _is_large(field: Field) -> bool:
    return "\n" in field.value or len(field.value) > _CELL


def _fenced(language: str, text: str) -> Iterator[str]:
    yield f"```{language}"
    yield filled(text, VALUES).rstrip("\n")
    yield "```"


def _pictures(*names: str) -> str:
    return " ".join(f"![{name.rpartition('-')[0]}](../screenshots/{name}.png)" for name in names)


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):
        old.unlink()
    for name, page in pages().items():
        (FOLDER / name).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
