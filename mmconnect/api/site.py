"""The API as an application: who asks, may they, is the request as documented, and what came of it.

Everything that is answered below /v1 goes through here, mistakes of ours included, so that it has
one shape. Invariants: without a good key nothing is read, looked up or changed; no key, text or
other part of a request gets into the log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from mmconnect.api import problems, reading
from mmconnect.api.limits import Limits
from mmconnect.api.operation import Call, Handed, Operation, Reply
from mmconnect.api.problems import Problem
from mmconnect.api.schema import Schema
from mmconnect.desk.desk import Desk
from mmconnect.desk.keys import Scope, bearer
from mmconnect.domain.errors import Invalid, NotFound, Refused, StoreUnavailable, UsageError
from mmconnect.store.api_keys import ApiKey
from mmconnect.web.sending import send

log = logging.getLogger(__name__)

UNKEPT = {"Cache-Control": "no-store"}
AFTER_TROUBLE = "5"
"""Seconds after which to try again while the database cannot commit."""


class Reception:
    """Lets requests in: a good key, not too often, with the scope that is needed."""

    def __init__(self, desk: Desk, limits: Limits) -> None:
        self._clock, self._keys, self._limits = desk.clock, desk.keys, limits

    async def admit(self, request: web.Request, scope: Scope, address: str) -> ApiKey:
        """The key of a request that may have what needs `scope`. Raises Problem."""
        secret = bearer(request.headers.get("Authorization"))
        if secret is None:
            raise Problem(problems.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
        told = await self._keys.show(secret, address)
        if told.key is None:
            if told.wait:
                raise _later(told.wait, "Too many wrong API keys came from this address")
            challenge = 'Bearer error="invalid_token"'
            raise Problem(problems.INVALID_KEY, headers={"WWW-Authenticate": challenge})
        if wait := self._limits.take(told.key.id, self._clock.monotonic()):
            raise _later(wait, "This API key asks too often")
        if scope not in told.key.scopes:
            raise problems.lacks(scope)
        return told.key


def make_api(
    desk: Desk,
    operations: Sequence[Operation],
    components: Mapping[str, Schema],
    *,
    limits: Limits | None = None,
    address: Callable[[web.Request], str] = lambda request: request.remote or "",
    base: Callable[[web.Request], str] = lambda request: "",
) -> web.Application:
    """The application to be put below /v1; `address` and `base` see through a trusted proxy."""
    reception = Reception(desk, limits or Limits())
    app = web.Application(middlewares=[_told_problems])

    def served(operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            whence, key = address(request), None
            if operation.scope is not None:
                key = await reception.admit(request, operation.scope, whence)
            query = reading.parameters(request, operation.query, components)
            body = {}
            if operation.method != "GET":
                wanted = operation.body
                body = await reading.body(
                    request,
                    None if wanted is None else wanted.schema,
                    components,
                    required=wanted is not None and wanted.required,
                )
            call = Call(
                desk=desk,
                key=key,
                address=whence,
                base=base(request),
                id=request.match_info.get("id", ""),
                query=query,
                body=body,
            )
            return await _answered(request, call, operation)

        return handle

    for operation in operations:
        app.router.add_route(
            operation.method,
            _pattern(operation.path, operations),
            served(operation),
            expect_handler=_expected,
        )
    return app


def _pattern(path: str, operations: Sequence[Operation]) -> str:
    """A path for the router, whose `{id}` is none of the words that stand there in other paths:
    so that what can be done at those is said of them alone."""
    before, mark, _ = path.partition("{id}")
    if not mark:
        return path
    words = sorted(
        {re.escape(one.path.removeprefix(before)) for one in operations
         if one.path.startswith(before) and "/" not in one.path.removeprefix(before)
         and "{id}" not in one.path}
    )  # fmt: skip
    return path.replace("{id}", f"{{id:(?!(?:{'|'.join(words)})$)[^{{}}/]+}}" if words else "{id}")


async def _obeyed(handler: Callable[[Call], Awaitable[Reply]], call: Call) -> Reply:
    try:
        return await handler(call)
    except Invalid as error:
        raise problems.invalid(*error.issues) from None
    except NotFound as error:
        raise Problem(problems.NOT_FOUND, _sentence(error)) from None
    except Refused as error:
        raise Problem(problems.CONFLICT, _sentence(error)) from None
    except UsageError as error:
        raise Problem(problems.INVALID, _sentence(error)) from None


async def _answered(request: web.Request, call: Call, operation: Operation) -> web.StreamResponse:
    reply = await _obeyed(operation.handler, call)
    if isinstance(reply.body, Handed):
        return await _handed(request, reply.body, operation.answers[reply.status].media)
    headers = {}
    if reply.location is not None:
        headers["Location"] = f"{call.base}/v1{reply.location}"
    return problems.answer(reply.status, reply.body, headers)


async def _handed(request: web.Request, what: Handed, media: str) -> web.StreamResponse:
    async def over() -> None:
        try:
            await what.over()
        except StoreUnavailable as error:  # it has gone out all the same
            log.warning("That a file was handed over could not be written down: %s", error)

    try:
        return await send(request, what.file, what.name, over, media=media, headers=UNKEPT)
    except Refused as error:
        raise Problem(problems.CONFLICT, _sentence(error)) from None


@web.middleware
async def _told_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is answered in the API's own shape."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except StoreUnavailable as error:
        log.warning("The API could not reach the database: %s", error)
        return Problem(problems.UNAVAILABLE, headers={"Retry-After": AFTER_TROUBLE}).response()
    except web.HTTPMethodNotAllowed as error:
        allow = ", ".join(sorted(error.allowed_methods))
        return Problem(problems.METHOD, headers={"Allow": allow}).response()
    except web.HTTPNotFound:
        there = "There is nothing at this path: `GET /v1/openapi.json` and /docs say what there is."
        return Problem(problems.NOT_FOUND, there).response()
    except Exception:
        log.exception("The API failed")
        return Problem(problems.INTERNAL).response()


async def _expected(request: web.Request) -> None:
    """`Expect: 100-continue` is answered when the body is wanted, which is after the key."""


def _later(seconds: float, why: str) -> Problem:
    wait = max(1, int(seconds + 0.999))
    return Problem(problems.RATE, f"{why}: wait {wait} s.", headers={"Retry-After": str(wait)})


def _sentence(error: Exception) -> str:
    return f"{str(error).rstrip('.')}."
