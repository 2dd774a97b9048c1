"""Deliveries: where texts went, why some have not arrived, and sending them again."""

from __future__ import annotations

from mmconnect.admin.pages.deliveries import attempt, listing, one, replays

ROUTES = (*listing.ROUTES, *replays.ROUTES, *one.ROUTES, *attempt.ROUTES)
