"""`mmconnect message …`: the texts that came in."""

from __future__ import annotations

import argparse
import asyncio

from mmconnect.cli import erase, finding, output, sending
from mmconnect.cli import open as opening
from mmconnect.desk import shown, simulating
from mmconnect.domain.errors import NotFound
from mmconnect.domain.models import Kind
from mmconnect.service.lock import running
from mmconnect.store import deliveries, kept_back, messages
from mmconnect.store.messages import StoredMessage

NOBODY = "sent to nobody"
"""No endpoint wanted it, or it was left unsent."""
KEPT_BACK = "kept back"
NO_EVENT = (
    "No event yet. They are written down while somebody is to get them: an endpoint with --events,"
    " or `mmconnect settings set alert_url URL`"
)


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser("message", parents=parents, help="texts that came in")
    verbs = family.add_subparsers(metavar="VERB", required=True)

    listed = verbs.add_parser("list", parents=parents, help="the newest texts")
    listed.add_argument("--limit", metavar="N", type=int, default=20, help="how many (default 20)")
    listed.add_argument(
        "--events", action="store_true", help="what mmconnect told of itself, instead of texts"
    )
    finding.add_options(listed)
    listed.set_defaults(run=_list)

    show = verbs.add_parser("show", parents=parents, help="one text and what became of it")
    show.add_argument("id", metavar="ID")
    show.set_defaults(run=_show)

    sending.add_parser(
        verbs.add_parser("send", parents=parents, help="send texts to an endpoint that lacks them")
    )
    reread = verbs.add_parser("reread", parents=parents, help="read what was not understood again")
    reread.add_argument("ids", metavar="ID", nargs="*")
    reread.add_argument("--device", metavar="ID", help="all that this phone pushed")
    reread.set_defaults(run=_reread)
    erase.add_verbs(verbs, parents)

    simulate = verbs.add_parser(
        "simulate",
        parents=parents,
        help="push a text through the phone listener, as a phone would",
        description="Pushes a text through the phone listener, in the shape of a phone's app. The"
        " service has to run, and the text goes to your endpoints as any other.",
    )
    simulate.add_argument("--from", dest="sender", required=True, metavar="N", help="the sender")
    simulate.add_argument("--text", required=True, metavar="T", help="the text")
    simulate.add_argument("--device", metavar="ID", help="as which phone (default: the first)")
    simulate.set_defaults(run=_simulate)


def _list(args: argparse.Namespace) -> int:
    limit = output.limit(args.limit)
    with opening.opened(args) as store:
        found = finding.newest(store, finding.query(args, store.clock.now()), limit)
        kept = [kept_back.waits(store.db, one.stored.message.id) for one in found]
    counts = [one.deliveries.total() for one in found]
    if args.json:
        output.document(
            [shown.message(one.stored, n) for one, n in zip(found, counts, strict=True)]
        )
    else:
        output.table(
            ("ID", "RECEIVED", "FROM", "PHONE", "DELIVERIES", "TEXT"),
            [
                (
                    one.stored.message.id,
                    output.local(one.stored.message.received_at),
                    one.stored.message.sender,
                    one.stored.message.device_name,
                    _where(one.stored, count, kept=waits),
                    _shortened(one.stored),
                )
                for one, count, waits in zip(found, counts, kept, strict=True)
            ],
            _none(args),
        )
    return 0


def _where(found: StoredMessage, count: int, *, kept: bool) -> str:
    """How many deliveries a message has, or why none."""
    if count:
        return str(count)
    if kept:
        return KEPT_BACK
    return "not understood" if found.message.kind is Kind.UNRECOGNISED else NOBODY


def _shortened(found: messages.StoredMessage) -> str:
    if found.wiped_at is not None:
        return "(text wiped)"
    return output.shortened(found.message.text or found.note or f"({found.message.kind.value})")


def _none(args: argparse.Namespace) -> str:
    if args.events:
        return NO_EVENT
    if finding.narrowed(args):
        return "No message is like that."
    simulate = "message simulate --from +15550100 --text hi"
    return f"No text yet. Try one: {output.command(args)} {simulate}"


def _show(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        found = messages.get(store.db, args.id)
        if found is None:
            raise NotFound(f"There is no message {args.id}. `mmconnect message list` shows them")
        sent = [
            (d, deliveries.attempts(store.db, d.id))
            for d in deliveries.of_message(store.db, args.id)
        ]
        kept = kept_back.waits(store.db, args.id)
    if args.json:
        facts = shown.message(found, len(sent))
        facts["raw"] = None if found.raw is None else found.raw.decode("utf-8", "replace")
        facts["rawHeaders"] = found.raw_headers
        facts["payload"] = None if found.payload is None else found.payload.decode()
        facts["deliveries"] = [
            {**shown.delivery(d), "attemptList": [shown.attempt(a) for a in attempts]}
            for d, attempts in sent
        ]
        output.document(facts)
        return 0
    lines = shown.message(found, len(sent))
    if found.wiped_at is not None:
        lines["text"] = f"(text wiped on {output.local(found.wiped_at)})"
    output.fields(list(lines.items()))
    if kept:
        history = f"{output.command(args)} device history {found.message.device_id}"
        print(f"\n{KEPT_BACK.capitalize()} until you decide: {history}")
    elif not sent:
        print(f"\n{_where(found, 0, kept=False).capitalize()}.")
    for delivery, attempts in sent:
        print(f"\n{delivery.id} to {delivery.endpoint_id}: {delivery.state.value}")
        for a in attempts:
            told = a.error or f"{a.status} in {a.duration_ms} ms"
            print(f"  {a.number}. {output.local(a.started_at)}  {told}")
    return 0


def _reread(args: argparse.Namespace) -> int:
    from mmconnect.cli.reread import run  # brings everything that reads pushes

    return run(args)


def _simulate(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        now = store.clock.now()
        actor = simulating.choose(store.db, args.device, now)
        service = running(store.directory)
    listening = [] if service is None else service.phone
    told = asyncio.run(simulating.play(actor, listening, args.sender, args.text, now))
    with opening.opened(args) as store:
        told = simulating.verdict(store.db, actor, told)
    answer = told.answer
    if args.json:
        output.document(answer)
    elif told.status == 200:
        show = f"{output.command(args)} message show {told.message_id}"
        print(f"Taken in. What became of it: {show}")
    else:
        print(f"The listener answered {told.status}: {answer.get('message', answer)}")
    return 0 if told.status == 200 else 1
