"""Fetching from phones: what no push brought, or could bring, is read from the phone itself."""

from __future__ import annotations

from collections.abc import Mapping

PORTS: Mapping[str, int] = {"smsgate": 8080, "smsforwarder": 5000}
"""The apps that can be fetched from, and where their servers listen unless told otherwise."""
