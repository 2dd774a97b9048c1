"""`/v1/configuration`: settings, phones and endpoints as one document; taken away, put into force.

Its top is described here; what is in it is read, and complained of with its place, by the desk.
"""

from __future__ import annotations

from typing import Any

from mmconnect.api import problems, schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.desk import configuring
from mmconnect.desk.config_export import FORMAT, WHAT
from mmconnect.desk.keys import Scope

_FIELDS = {
    "mmconnect": schema.choice(WHAT),
    "format": {"type": "integer", "enum": [FORMAT]},
    "version": schema.text("Of the mmconnect that has written it."),
    "madeAt": schema.text("When."),
    "secrets": schema.boolean("Whether secrets are in it."),
    "withheld": schema.array(schema.text(), "Where a secret was left out: `endpoints.0.secret`."),
    "tenantId": schema.text("An empty appliance takes it on."),
    "settings": schema.table({}, "Those that are set, as `/v1/settings` names them."),
    "devices": schema.array(schema.table({})),
    "endpoints": schema.array(schema.table({})),
    "alertSecret": schema.text("What signs the alerts."),
    "webhook": schema.text("The endpoint that `/v1/webhooks` is."),
}
_MAY_LACK = tuple(name for name in _FIELDS if name not in ("mmconnect", "format"))
SCHEMAS = {"Configuration": schema.record(_FIELDS, optional=_MAY_LACK)}
EXAMPLE: dict[str, Any] = {
    "mmconnect": WHAT,
    "format": FORMAT,
    "settings": {"siteName": "Acme", "retentionMessages": 2592000},
    "devices": [{"name": "Reception", "app": "smsgate", "country": "SG"}],
    "endpoints": [{"name": "CRM", "url": "https://crm.example.com/in", "numbers": "e164"}],
}
STEP = schema.record(
    {
        "what": schema.choice(
            *("added", "changed", "note"),
            description="`note`: nothing is done, but it should be known.",
        ),
        "id": schema.nullable(schema.text("Of the phone or endpoint.")),
        "name": schema.text("Of it, or of the setting."),
        "detail": schema.text(),
        "secret": schema.nullable(
            schema.text("The token or signing secret that was made for it: shown this once.")
        ),
    }
)


async def _export(call: Call) -> Reply:
    secrets = bool(call.query.get("secrets", False))
    if secrets and (call.key is None or Scope.BACKUP not in call.key.scopes):
        raise problems.lacks(Scope.BACKUP)
    return Reply(body=await configuring.export(call.desk, call.actor, secrets=secrets))


async def _put(call: Call) -> Reply:
    tried = bool(call.query.get("dryRun", False))
    put = configuring.preview if tried else configuring.put
    steps = await put(call.desk, call.body, call.actor)
    return Reply(
        body={"applied": not tried, "steps": [one.as_json(done=not tried) for one in steps]}
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/configuration",
        name="exportConfiguration",
        tag=Tag.SETTINGS,
        summary="The configuration as a document",
        description="Settings, devices and endpoints, without texts. What is secret is left out and"
        " named in `withheld`; with `secrets`, for which the key needs the scope `backup`, too,"
        " all is there but passwords and API keys.",
        handler=_export,
        query={"secrets": schema.boolean("Whether tokens and secrets are taken along.")},
        answers={200: Answer(means="It.", schema=schema.ref("Configuration"), example=EXAMPLE)},
    ),
    Operation(
        method="POST",
        path="/configuration",
        name="importConfiguration",
        tag=Tag.SETTINGS,
        summary="Put a configuration into force",
        description="All of it, or nothing. What has the same id here, or else the same name, is"
        " changed; the rest is added; what it does not name stays. A second time changes nothing.",
        handler=_put,
        scope=Scope.WRITE,
        query={"dryRun": schema.boolean("Only say what would change, and change nothing.")},
        body=Body(schema=schema.ref("Configuration"), example=EXAMPLE),
        answers={
            200: Answer(
                means="What was done, step by step.",
                schema=schema.record(
                    {
                        "applied": schema.boolean("False: it was only tried."),
                        "steps": schema.array(STEP, "Empty: all is so already."),
                    }
                ),
                example={
                    "applied": True,
                    "steps": [
                        {
                            "what": "changed",
                            "id": None,
                            "name": "siteName",
                            "detail": "",
                            "secret": None,
                        }
                    ],
                },
            )
        },
        errors=(problems.CONFLICT,),
    ),
)
