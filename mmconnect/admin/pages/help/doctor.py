"""/help/doctor: what the appliance finds when it looks at itself; it looks when it is asked to."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin import marks, upkeep
from mmconnect.admin.context import desk, see
from mmconnect.admin.render import page
from mmconnect.desk.doctor import worst_first

AT = "/help/doctor"


async def _doctor(request: web.Request) -> web.Response:
    report = desk(request).machine.examined()
    return page(
        request,
        "help/doctor.html",
        area="help",
        report=report,
        findings=[] if report is None else worst_first(report.findings),
        marks=marks.FINDINGS,
        here=upkeep.here(desk(request).directory),
    )


async def _look(request: web.Request) -> web.StreamResponse:
    await desk(request).machine.examine()
    return see(request, AT)


ROUTES = (web.get(AT, _doctor), web.post(AT, _look))
