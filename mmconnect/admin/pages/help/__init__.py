"""Help: what to do, for whoever asks; with this appliance's own values where it has some."""

from __future__ import annotations

from mmconnect.admin.pages.help import doctor, index, phones, recipes, trouble, upkeep, webhooks

ROUTES = (
    *index.ROUTES,
    *webhooks.ROUTES,
    *phones.ROUTES,
    *recipes.ROUTES,
    *trouble.ROUTES,
    *upkeep.ROUTES,
    *doctor.ROUTES,
)
