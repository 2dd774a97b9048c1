"""Pictures of the owner's pages, of an appliance as it is after a month (tests/support/filled.py).

`python -m scripts.screenshots` takes those that the docs show; with a DIRECTORY, every page at
three widths, light and dark, to be looked at.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

from playwright.async_api import Browser, Page

from mmconnect.admin import upkeep
from mmconnect.desk.doctor import Check, Report
from mmconnect.paths import Form, Program
from mmconnect.service.doctor import speed
from tests.support.filled import Filled, filled

WIDTHS = {"phone": 390, "tablet": 768, "wide": 1440}
SCHEMES = ("light", "dark")
KEPT = {
    "overview-wide-light": 860,
    "overview-wide-dark": 844,
    "overview-phone-light": 844,
    "first-steps-phone-light": 844,
    "first-visit-phone-light": 844,
    "messages-wide-light": 820,
    "messages-phone-dark": 844,
    "message-wide-light": 800,
    "deliveries-wide-light": 900,
    "attempt-wide-dark": 900,
    "endpoints-wide-light": 620,
    "endpoint-wide-light": 1300,
    "secret-phone-light": 1100,
    "phone-wide-light": 1000,
    "phones-phone-light": 844,
    "pairing-wide-light": 900,
    "settings-wide-light": 1000,
    "keys-wide-dark": 800,
    "help-wide-light": 760,
    "doctor-wide-light": 680,
    "backup-wide-light": 1180,
    "recipe-phone-light": 1000,
    "api-wide-light": 900,
}
"""What the docs show, and how many pixels of it: a good small set, as it is in every clone."""
FOUND = (
    Check("deliveries", "Deliveries").problem(
        "Booking system is held: It refuses every text. Its texts wait while one at a time tries"
        " again. The receiver did not accept the signature (401). 8 texts wait, the oldest for"
        " 5 h.",
        "Mostly a secret that does not match, or a flow that is not active. The check-up tells"
        " them apart.",
    ),
    Check("phones", "Phones").problem(
        "Night line has fallen silent.",
        "Is it charged, switched on, in reach, and may the app run in the background?",
    ),
    speed.check([0.131] * 19 + [0.41]),
    Check("service", "Service").ok("mmconnect 0.1.0 (pid 612) runs, and is ready."),
    Check("ports", "Ports").ok("These answer: phones at 0.0.0.0:8481; admin side at 0.0.0.0:8480."),
    Check("lan", "Reachable for phones").ok(
        "The phones' port answers at http://192.168.1.20:8481."
    ),
    Check("lan", "Reachable for phones").ok("A phone was heard 53 s ago from 192.168.1.31."),
    Check("receivers", "Receivers").ok(
        "Somebody listens at Practice CRM (crm.acme-dental.example:443), Helpdesk"
        " (desk.example.com:443). Nothing was sent."
    ),
    Check("disk", "Disk").ok("24,312 MB of 29,800 MB are free on an SD card (mmcblk0p2)."),
    Check("database", "Database").ok("1003 KB, and whole (every page was looked at)."),
    Check("clock", "Clock").ok("It is synchronised, and right to within 14 ms."),
    Check("firewall", "Firewall of this machine").skipped(
        "Its rules can be read by root alone.", "`sudo mmconnect doctor` looks at them."
    ),
)
"""What the doctor says of such an appliance, as it would on a Raspberry Pi."""
PACKAGE = upkeep.installed(
    Program(
        form=Form.ONE_DIRECTORY,
        words=(f"{upkeep.PACKAGED}/mmconnect",),
        parts=(upkeep.PACKAGED / "mmconnect",),
    ),
    Path("/var/lib/mmconnect"),
    engine=None,
    managed=True,
)
"""As what it is shown: what is to be typed is then the package's, and no path of this machine."""
_MOST = 6000
"""Pixels of a picture that is only looked at."""


async def take(browser: Browser, to: Path, *, kept: bool) -> None:
    """Take them, into `to`."""
    with mock.patch.object(upkeep, "here", return_value=PACKAGE):
        await _take_all(browser, to, kept=kept)


async def _take_all(browser: Browser, to: Path, *, kept: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with filled(Path(directory), bare=True, locked=True) as fresh:
            await _walk(browser, fresh, to, {"first-visit": "/setup"}, kept=kept)
    with tempfile.TemporaryDirectory() as directory:
        async with filled(Path(directory), bare=True) as fresh:
            names = {"first-steps": "/", "no-messages": "/messages", "no-endpoints": "/endpoints"}
            await _walk(browser, fresh, to, names | {"no-phones": "/phones"}, kept=kept)
    with tempfile.TemporaryDirectory() as directory:
        async with filled(Path(directory)) as there:
            there.doctor.last = Report(at=there.box.clock.now() - 40_000, findings=FOUND)
            await _walk(browser, there, to, {"doctor": "/help/doctor"}, kept=kept)
            there.doctor.last = None  # it was not asked when the others are taken
            await _walk(browser, there, to, pages(there), kept=kept)


def pages(there: Filled) -> dict[str, str]:
    """Every page worth a picture: name to path."""
    box, phone = there.box, f"/phones/{there.phones['Reception']}"
    spare, endpoint = there.phones["Spare phone"], f"/endpoints/{there.endpoints['Practice CRM']}"
    held = f"/endpoints/{there.endpoints['Booking system']}"
    message = box.one("SELECT id FROM messages WHERE text LIKE 'Thursday%'")
    unread = box.one("SELECT id FROM messages WHERE kind = 'unrecognised'")
    failed = box.one("SELECT id FROM deliveries WHERE state = 'failed'")
    waits = box.one("SELECT id FROM deliveries WHERE state = 'pending'")
    key = box.one("SELECT id FROM api_keys WHERE name = 'Reporting script'")
    return {
        "overview": "/",
        "messages": "/messages",
        "messages-found": "/messages?q=appointment",
        "messages-nothing": "/messages?q=unheard-of",
        "message": f"/messages/{message}",
        "message-unread": f"/messages/{unread}",
        "message-send": f"/messages/{message}/send",
        "message-delete": f"/messages/{message}/delete",
        "deliveries": "/deliveries",
        "deliveries-failed": "/deliveries?state=failed",
        "delivery": f"/deliveries/{waits}",
        "delivery-failed": f"/deliveries/{failed}",
        "attempt": f"/deliveries/{failed}/attempts/1",
        "endpoints": "/endpoints",
        "endpoint-new": "/endpoints/new",
        "endpoint": endpoint,
        "endpoint-held": held,
        "endpoint-settings": f"{endpoint}/settings",
        "endpoint-routing": f"{endpoint}/routing",
        "endpoint-signing": f"{endpoint}/signing",
        "endpoint-check": f"{endpoint}/check",
        "endpoint-resume": f"{held}/resume",
        "endpoint-remove": f"{endpoint}/remove",
        "phones": "/phones",
        "phone-new": "/phones/new",
        "phone": phone,
        "phone-settings": f"{phone}/settings",
        "phone-mapping": f"/phones/{spare}/mapping",
        "phone-fetching": f"{phone}/fetching",
        "phone-unread": f"/phones/{spare}",
        "phone-silent": f"/phones/{there.phones['Night line']}",
        "pairing": f"/phones/{spare}/pair",
        "phone-token": f"{phone}/token",
        "phone-remove": f"{phone}/remove",
        "settings": "/settings",
        "settings-network": "/settings/network",
        "settings-privacy": "/settings/privacy",
        "password": "/settings/password",
        "sessions": "/settings/sessions",
        "keys": "/settings/keys",
        "key": f"/settings/keys/{key}",
        "backup": "/settings/backup",
        "changes": "/settings/changes",
        "help": "/help",
        "doctor-not-asked": "/help/doctor",
        "help-webhooks": "/help/webhooks",
        "help-phones": "/help/phones",
        "help-phone": "/help/phones/smsgate",
        "recipes": "/help/recipes",
        "recipe": "/help/recipes/zammad",
        "trouble": "/help/troubleshooting",
        "checklist": "/checklist",
        "api": "/docs",
        "not-found": "/nothing-here",
        "patterns": "/patterns",
    }


async def _walk(
    browser: Browser, there: Filled, to: Path, names: dict[str, str], *, kept: bool
) -> None:
    for device, width in WIDTHS.items():
        context = await browser.new_context(
            viewport={"width": width, "height": 844}, reduced_motion="reduce"
        )
        page = await context.new_page()
        for name, path in names.items():
            wanted = [s for s in SCHEMES if not kept or f"{name}-{device}-{s}" in KEPT]
            if wanted:
                await page.goto(f"http://127.0.0.1:{there.port}{path}")
                await _take(page, to, f"{name}-{device}", wanted, kept=kept)
        await context.close()
    if there.endpoints:
        for device, width in WIDTHS.items():
            page = await browser.new_page(viewport={"width": width, "height": 844})
            if not kept or f"secret-{device}-light" in KEPT:
                await _secret(page, there, to, device, kept=kept)
            await page.close()


async def _secret(page: Page, there: Filled, to: Path, device: str, *, kept: bool) -> None:
    """What is shown once, after an endpoint was added."""
    await page.goto(f"http://127.0.0.1:{there.port}/endpoints/new")
    await page.fill("#url", "https://hooks.example.com/mmconnect")
    await page.fill("#name", "Newsletter tool")
    await page.click("main form button.first")
    await page.wait_for_load_state()
    wanted = [s for s in SCHEMES if not kept or f"secret-{device}-{s}" in KEPT]
    await _take(page, to, f"secret-{device}", wanted, kept=kept)


async def _take(page: Page, to: Path, name: str, schemes: list[str], *, kept: bool) -> None:
    width = WIDTHS[name.rpartition("-")[2]]
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two
        if kept:
            high = KEPT[f"{name}-{scheme}"]
        else:
            shown = await page.evaluate("document.documentElement.scrollHeight")
            high = min(max(844, shown), _MOST)
        await page.set_viewport_size({"width": width, "height": high})
        await page.screenshot(path=to / f"{name}-{scheme}.png")
    await page.set_viewport_size({"width": width, "height": 844})
