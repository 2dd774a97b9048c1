"""Pushes to mmconnect's own phone listener: the way that a simulated text takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from mmconnect.phones.clients.http import Unreachable

PATIENCE = 15.0
"""Seconds that an answer may take in all; a commit waits for a slow disk."""


async def push(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Push, and give status and JSON of the answer; {} for an empty one. Raises Unreachable."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(url, data=body, headers=headers) as response,
        ):
            return response.status, await response.json(content_type=None) or {}
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Unreachable(str(error) or "no answer in time") from error
