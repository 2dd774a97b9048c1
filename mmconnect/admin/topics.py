"""What the help has, to be found by what somebody wants to do: every help page and its words.

A question is split into words; a topic is found when each of them begins a word that it has. No
index is kept: it is a few dozen topics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mmconnect.admin.chapters import CHAPTERS
from mmconnect.admin.trouble import SYMPTOMS
from mmconnect.desk import guiding, recipes


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One thing to read, or to do."""

    group: str
    title: str
    says: str
    path: str
    words: str = ""
    """What else it is called; not shown."""

    def fits(self, question: list[str]) -> bool:
        """Whether each word of the question begins one of the topic's, or is in its title."""
        own = _words(f"{self.title} {self.says} {self.words} {self.group}")
        title = "".join(_words(self.title))  # "nodered" and "node red" are Node-RED
        return all(
            asked in title or any(word.startswith(asked) for word in own) for asked in question
        )


START, SOFTWARE, PHONES, TROUBLE = "Start", "Your software", "Phones", "Something is wrong"
UPKEEP = "Looking after it"

_FIXED = (
    Topic(
        group=START,
        title="First steps",
        says="From connecting a phone to the first backup; each ticks itself.",
        path="/checklist",
        words="checklist begin setup install beginning",
    ),
    Topic(
        group=START,
        title="Connect a phone",
        says="A code to scan, and a page that leads through the app.",
        path="/phones/new",
        words="add pair pairing qr device modem",
    ),
    Topic(
        group=START,
        title="Send texts to a URL",
        says="Add an endpoint: each text is POSTed to it, signed.",
        path="/endpoints/new",
        words="webhook endpoint add receiver forward",
    ),
    Topic(
        group=SOFTWARE,
        title="Webhook reference",
        says="What is sent, what your answers mean, how to check the signature: with this"
        " appliance's own values.",
        path="/help/webhooks",
        words="payload body json fields headers signature hmac whsec retry schedule outcome"
        " status address source ip standard limits",
    ),
    Topic(
        group=SOFTWARE,
        title="Recipes",
        says="Complete files for helpdesks, a CRM, Home Assistant, chats, n8n, Node-RED, STOP.",
        path="/help/recipes",
        words="integration example receiver script flow",
    ),
    Topic(
        group=PHONES,
        title="Which app?",
        says="Every app that is known, what it takes, and what is lost while mmconnect is away.",
        path="/help/phones",
        words="android iphone modem guide",
    ),
    *(
        Topic(
            group=UPKEEP,
            title=one.title,
            says=one.says,
            path=f"/help/{one.name}",
            words=f"{one.words} {' '.join(part.title for part in one.parts)}",
        )
        for one in CHAPTERS
    ),
    Topic(
        group=TROUBLE,
        title="Find out what is wrong",
        says="By what you notice: what to look at first, and where.",
        path="/help/troubleshooting",
        words="problem error broken missing debug",
    ),
    Topic(
        group=TROUBLE,
        title="Let the doctor look",
        says="Everything that keeps texts from getting through: clock, disk, database, network,"
        " receivers, certificate, phones; each with what to do.",
        path="/help/doctor",
        words="check diagnose diagnosis health self test problem slow card fsync power",
    ),
)


def beginnings() -> dict[str, list[Topic]]:
    """What is shown before anything is asked: each area, not each recipe and app."""
    groups: dict[str, list[Topic]] = {}
    for topic in (*_FIXED, *_symptoms()):
        groups.setdefault(topic.group, []).append(topic)
    return groups


def topics() -> Iterator[Topic]:
    """Everything, in the order in which it is shown."""
    yield from (topic for topic in _FIXED if topic.group in (START, SOFTWARE))
    for name in recipes.names():
        one = recipes.recipe(name)
        yield Topic(
            group="Recipes",
            title=one.title,
            says=one.does,
            path=f"/help/recipes/{name}",
            words=f"{one.group} {' '.join(one.files)}",
        )
    yield from (topic for topic in _FIXED if topic.group == PHONES)
    for guides in guiding.by_kind().values():
        for guide in guides:
            path = f"/help/phones/{guide.name}"
            yield Topic(
                group=PHONES, title=guide.label, says=guide.summary, path=path, words=guide.phone
            )
    yield from (topic for topic in _FIXED if topic.group in (UPKEEP, TROUBLE))
    yield from _symptoms()


def _symptoms() -> Iterator[Topic]:
    for symptom in SYMPTOMS:
        yield Topic(
            group=TROUBLE,
            title=symptom.title,
            says=" ".join(look.asks for look in symptom.looks),
            path=f"/help/troubleshooting#{symptom.name}",
        )


def found(question: str) -> dict[str, list[Topic]]:
    """The topics that fit, by group."""
    asked = _words(question)
    groups: dict[str, list[Topic]] = {}
    for topic in topics():
        if topic.fits(asked):
            groups.setdefault(topic.group, []).append(topic)
    return groups


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold().replace("-", ""))
