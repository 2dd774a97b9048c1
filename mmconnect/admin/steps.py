"""The checklist in words: each step with what it is for, and the one button that does it."""

from __future__ import annotations

from dataclasses import dataclass

from mmconnect.desk.checklist import Checklist, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One step."""

    name: str
    title: str
    sentence: str
    done: bool
    is_next: bool
    button: tuple[str, str] | None = None
    """Words, and the page they lead to."""
    send: tuple[str, dict[str, str]] | None = None
    """Instead: words of a button that does it at once, and what it sends along."""


def rows(found: Checklist) -> list[Row]:
    """All steps, in their order."""
    return [_row(found, step) for step in Step]


def _row(found: Checklist, step: Step) -> Row:
    done, button, send = step in found.done, None, None
    title, sentence = _WORDS[step]
    phone, endpoint = found.phone, found.endpoint
    if step is Step.PHONE:
        button = ("Connect a phone", "/phones/new")
        if phone is not None:
            sentence = f"{phone.name} has not been heard yet. Go on where you stopped."
            button = ("Go on", f"/phones/{phone.id}/pair")
    elif step is Step.TEXT and phone is not None:
        button = ("Simulate one", f"/phones/{phone.id}#try")
    elif step is Step.ENDPOINT:
        button = ("Add an endpoint", "/endpoints/new")
    elif step is Step.DELIVERED and endpoint is not None:
        if found.last_text is not None:
            sentence = f"Send {endpoint.name} the last text now?"
            send = ("Send it", {"endpoint": endpoint.id, "message": found.last_text})
        elif Step.TEXT in found.done:
            sentence = f"The last text is on its way to {endpoint.name}, or has not arrived."
            button = ("See what became of it", f"/deliveries?endpoint={endpoint.id}")
        else:
            sentence = f"The first text goes to {endpoint.name} as soon as it comes."
    elif step is Step.BACKUP:
        button = ("Download a backup", "/settings/backup")
    return Row(
        name=step.value,
        title=title,
        sentence=sentence,
        done=done,
        is_next=step is found.next,
        button=None if done else button,
        send=None if done else send,
    )


_WORDS = {
    Step.PHONE: (
        "Connect a phone",
        "An app on a phone with a SIM card hands its texts over. It takes two minutes.",
    ),
    Step.TEXT: (
        "Send yourself a text",
        "Text the number of that phone, from any other. It shows up here within seconds.",
    ),
    Step.ENDPOINT: (
        "Add an endpoint",
        "The URL that your texts are sent to: your CRM, helpdesk, n8n or Home Assistant.",
    ),
    Step.DELIVERED: (
        "See it delivered",
        "A text that came in goes out to the endpoint, signed, until it is there.",
    ),
    Step.BACKUP: (
        "Download a backup",
        "One file with everything, to keep somewhere else.",
    ),
}
