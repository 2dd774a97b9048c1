"""`message send`: deliveries of texts that an endpoint never got, or is to get once more."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.domain.errors import NotFound, Refused
from mmconnect.domain.ids import DELIVERY
from mmconnect.domain.models import Endpoint, EndpointState
from mmconnect.service.lock import poke
from mmconnect.store import endpoints, sends, settings
from mmconnect.store.connection import transaction
from mmconnect.store.sends import Sent, Skip

REASONS = {
    Skip.UNDER_WAY: "it is on its way to that endpoint already",
    Skip.WIPED: "its text was wiped, so there is nothing left to send",
    Skip.UNRECOGNISED: "it was not understood, so there is no text to send;"
    " `mmconnect message reread` tries to read it again",
    Skip.EVENT: "it is an event of mmconnect's own, not a text",
    Skip.TEST: "it is a test, which is sent only once; `mmconnect endpoint test` makes another",
}


def add_parser(parser: argparse.ArgumentParser) -> None:
    """The flags of `message send`."""
    parser.add_argument("ids", metavar="ID", nargs="+")
    parser.add_argument("--endpoint", required=True, metavar="EP", help="where they are to go")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the deliveries, oldest text first, whatever the endpoint's routing says."""
    ids = sorted(set(args.ids))
    with opening.opened(args) as store:
        endpoint = endpoints.get(store.db, args.endpoint)
        if endpoint is None:
            raise NotFound(
                f"There is no endpoint {args.endpoint}. `mmconnect endpoint list` shows them"
            )
        if endpoint.alert:
            raise Refused(f"{endpoint.name} is the alert URL, which never gets texts")
        if missing := sends.unknown(store.db, ids):
            raise NotFound(
                f"There is no message {', '.join(missing[:3])}{' …' if missing[3:] else ''}."
                " `mmconnect message list` shows them"
            )
        tenant = settings.tenant(store.db)
        sent: list[Sent] = []
        for at in range(0, len(ids), sends.CHUNK):
            with transaction(store.db):
                sent += sends.send(
                    store.db,
                    ids[at : at + sends.CHUNK],
                    endpoint.id,
                    now=store.clock.now(),
                    new_id=lambda: store.ids.new(DELIVERY),
                    write=lambda message, kept: sends.own_form(endpoint, tenant, message, kept),
                )
            poke(store.directory)
    refused = [one for one in sent if one.skip not in (None, Skip.UNDER_WAY)]
    if refused and len(refused) == len(sent):
        raise Refused(". ".join(_reason(one) for one in refused[:3]))
    if args.json:
        output.document(_document(endpoint, sent))
    else:
        _tell(endpoint, sent)
    return 0


def _document(endpoint: Endpoint, sent: Sequence[Sent]) -> dict[str, object]:
    return {
        "endpointId": endpoint.id,
        "sent": [
            {"messageId": one.message_id, "deliveryId": one.delivery_id}
            for one in sent
            if one.skip is None
        ],
        "skipped": [
            {"messageId": one.message_id, "deliveryId": one.delivery_id, "reason": one.skip.value}
            for one in sent
            if one.skip is not None
        ],
    }


def _tell(endpoint: Endpoint, sent: Sequence[Sent]) -> None:
    made = sum(one.skip is None for one in sent)
    wait = "" if endpoint.state is EndpointState.ACTIVE else f", which is {endpoint.state.value}"
    print(f"{made} {'text goes' if made == 1 else 'texts go'} to {endpoint.name}{wait}.")
    for one in sent:
        if one.skip is not None:
            print(_reason(one))


def _reason(one: Sent) -> str:
    return f"{one.message_id} was not sent: {REASONS[one.skip or Skip.UNDER_WAY]}"
