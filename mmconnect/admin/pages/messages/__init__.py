"""The pages about messages: found, told, sent on, read again, wiped and deleted."""

from __future__ import annotations

from mmconnect.admin.pages.messages import erasing, listing, one

ROUTES = (*listing.ROUTES, *erasing.ROUTES, *one.ROUTES)
