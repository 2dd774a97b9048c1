"""What a request holds, read within bounds: query parameters and a JSON body, as documented.

Strict, so that a client's mistake is told at once instead of being ignored: unknown parameters and
fields, names given twice, and what is no text (half a surrogate pair) are refused with their place.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from mmconnect.api import problems
from mmconnect.api.fit import issues
from mmconnect.api.problems import Problem, invalid
from mmconnect.api.schema import Schema
from mmconnect.domain.errors import Issue
from mmconnect.web.http import media_type

LIMIT = 2**20
"""Bytes of a body, unpacked: a certificate and hundreds of routing conditions fit many times."""
PATIENCE = 10.0
"""Seconds that a body may take to arrive."""

_WHOLE = re.compile(r"-?\d{1,18}\Z", re.ASCII)


def parameters(
    request: web.Request, known: Mapping[str, Schema], components: Mapping[str, Schema]
) -> dict[str, Any]:
    """The query parameters that were given; a list's are repeated. Raises Problem."""
    found: list[Issue] = []
    values: dict[str, Any] = {}
    for name in dict.fromkeys(request.query):
        told = request.query.getall(name)
        if name not in known:
            there = f"; there are {', '.join(known)}" if known else ", and no other"
            message = f"There is no such parameter{there}"
            found.append(Issue(path=name, message=message))
        elif known[name]["type"] == "array":
            values[name] = [_value(known[name]["items"], text) for text in told]
        elif len(told) > 1:
            found.append(Issue(path=name, message="Give it once"))
        else:
            values[name] = _value(known[name], told[0])
    for name, value in values.items():
        found += issues(known[name], value, components, name)
    if found:
        raise invalid(*found)
    return values


def _value(schema: Schema, text: str) -> Any:
    """A parameter as what it is to be; what is not stays a text, and is refused as such."""
    match schema["type"]:
        case "integer" if _WHOLE.match(text):
            return int(text)
        case "boolean" if text in ("true", "false"):
            return text == "true"
    return text


async def body(
    request: web.Request, schema: Schema | None, components: Mapping[str, Schema], *, required: bool
) -> Any:
    """The body as JSON that fits `schema`, `{}` where nothing was sent. Raises Problem.

    `schema` is None for what takes no body: nothing and `{}` are.
    """
    raw = await _raw(request)
    if not raw:
        if required:
            raise invalid(Issue(path="", message="Send a JSON object as the body"))
        return {}
    media, charset = media_type(request.headers.get("Content-Type"))
    if media != "application/json" or charset.lower().replace("_", "-") not in ("utf-8", "utf8"):
        raise Problem(problems.MEDIA_TYPE)
    value = parsed(raw)
    if schema is None:
        if value != {}:
            raise invalid(Issue(path="", message="This takes no body"))
    elif found := issues(schema, value, components):
        raise invalid(*found)
    return value


async def _raw(request: web.Request) -> bytes:
    if not request.can_read_body:
        return b""
    if (request.content_length or 0) > LIMIT:
        raise Problem(problems.LARGE)
    parts, size = [], 0
    try:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer itself has not begun
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > LIMIT:
                    raise Problem(problems.LARGE)
                parts.append(chunk)
    except TimeoutError:
        raise Problem(problems.SLOW) from None
    except (HttpProcessingError, web.RequestPayloadError, ClientPayloadError, ConnectionError):
        raise invalid(Issue(path="", message="The body is not what its headers say")) from None
    return b"".join(parts)


def parsed(raw: bytes) -> Any:
    """The value that JSON says, in UTF-8. Raises Problem."""
    try:
        text = raw.decode("utf-8-sig")
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_no_number,
        )
        if "\\u" in text:  # only so can half a surrogate pair come in
            json.dumps(value, ensure_ascii=False).encode()
    except _Twice as error:
        raise invalid(Issue(path=str(error), message="Give it once")) from None
    except UnicodeEncodeError:
        raise invalid(Issue(path="", message="The body holds half a character")) from None
    except RecursionError:
        raise invalid(Issue(path="", message="The body is nested too deeply")) from None
    except ValueError:  # also of what is not UTF-8
        raise invalid(Issue(path="", message="The body is not JSON in UTF-8")) from None
    return value


class _Twice(Exception):
    """A name stands in an object twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        count = Counter(name for name, _ in pairs)
        raise _Twice(next(name for name, times in count.items() if times > 1))
    return made


def _number(text: str) -> int | float:
    """Whole numbers are whole however they are written; none is larger than a double can say."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    if abs(number) < 2**63 and number.is_integer():
        return int(number) if len(text) > 18 or not text.lstrip("-").isdigit() else int(text)
    return number


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")
