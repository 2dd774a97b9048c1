"""`message send`: deliveries of texts that an endpoint never got, or is to get once more."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.desk import sending
from mmconnect.desk.actor import CLI
from mmconnect.desk.sending import Sent, Skip
from mmconnect.domain.errors import NotFound, Refused
from mmconnect.domain.models import Endpoint, EndpointState
from mmconnect.service.lock import poke
from mmconnect.store import endpoints
from mmconnect.store.connection import transaction

REASONS = {
    **sending.REASONS,
    Skip.UNRECOGNISED: f"{sending.REASONS[Skip.UNRECOGNISED]};"
    " `mmconnect message reread` tries to read it again",
    Skip.TEST: f"{sending.REASONS[Skip.TEST]}; `mmconnect endpoint test` makes another",
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
        if endpoints.get(store.db, args.endpoint) is None:
            raise NotFound(
                f"There is no endpoint {args.endpoint}. `mmconnect endpoint list` shows them"
            )
        endpoint = sending.sendable(store.db, ids, args.endpoint)
        sent: list[Sent] = []
        for at in range(0, len(ids), sending.CHUNK):
            chunk, now = ids[at : at + sending.CHUNK], store.clock.now()
            with transaction(store.db):
                sent += sending.some(store.db, chunk, endpoint, ids=store.ids, now=now, by=CLI)
            poke(store.directory)
    if (why := sending.refusal(sent, REASONS)) is not None:
        raise Refused(why)
    if args.json:
        output.document(sending.as_json(endpoint, sent))
    else:
        _tell(endpoint, sent)
    return 0


def _tell(endpoint: Endpoint, sent: Sequence[Sent]) -> None:
    made = sum(one.skip is None for one in sent)
    wait = "" if endpoint.state is EndpointState.ACTIVE else f", which is {endpoint.state.value}"
    print(f"{output.many(made, 'text goes', 'texts go')} to {endpoint.name}{wait}.")
    for one in sent:
        if one.skip is not None:
            print(sending.reason(one, REASONS))
