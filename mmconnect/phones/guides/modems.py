"""USB modems and SMS servers, and whatever else can send HTTP.

Modem daemons call `mmconnect push`, which keeps a text on the disk until mmconnect has it.
"""

from __future__ import annotations

from mmconnect.phones.guides.guide import (
    Block,
    Effort,
    Field,
    Guide,
    Kept,
    Loss,
    Phone,
    Role,
    Source,
    Step,
)

_SPOOLED = Loss(
    kept=Kept.ALL,
    why="`mmconnect push` writes each text to its disk first, and tries until mmconnect has it,"
    " also after a restart of the machine (`mmconnect push --drain` at boot).",
)

_INSTALLED = (
    "On the machine with the modem, where mmconnect has to be installed too, for all users:"
    " `command -v mmconnect` has to find it. The package is the quickest; when mmconnect itself is"
    " to run elsewhere, `sudo systemctl disable --now mmconnect` afterwards. From a checkout that"
    ' every user may read, `sudo ln -s "$PWD/.venv/bin/mmconnect" /usr/local/bin/` will do.'
)
_TRIED = (
    "It says that the text is kept, and a moment later `mmconnect message list` has it. When the"
    " daemon cannot run the hook, its texts are lost to mmconnect, and only its own log says so."
)


def _hook(name: str, says: str, call: str) -> Block:
    return Block(
        title=f"/usr/local/bin/{name}",
        language="sh",
        text=f"#!/bin/sh\n# {says}\n"
        "export MMCONNECT_PUSH_URL={url}\n"
        f"exec mmconnect push {call}\n",
    )


GAMMU = Guide(
    name="gammu",
    label="Gammu SMSD",
    phone=Phone.MODEM,
    source=Source(
        label="wammu.eu", url="https://wammu.eu/smsd/", note="Or the package `gammu-smsd`."
    ),
    minimum="1.37 or newer",
    effort=Effort.MEDIUM,
    loss=_SPOOLED,
    summary="A USB modem on Linux, with Gammu's daemon.",
    steps=(
        Step(
            title="Save the hook",
            text=_INSTALLED + " Make the file executable, and readable for Gammu's user alone:",
            block=_hook(
                "mmconnect-gammu", "Hands a text of gammu-smsd to mmconnect.", '--gammu "$@"'
            ),
        ),
        Step(
            title="Let SMSD call it",
            text="In `gammu-smsdrc`, then restart it:",
            block=Block(
                title="gammu-smsdrc",
                language="ini",
                text="[smsd]\nRunOnReceive = /usr/local/bin/mmconnect-gammu\n",
            ),
        ),
        Step(
            title="Try it",
            text="As Gammu's user, which is `gammu` here:",
            block=Block(
                title="Terminal",
                language="sh",
                text="sudo -u gammu env SMS_MESSAGES=1 SMS_1_NUMBER=+6581230000 SMS_1_TEXT=hello"
                " /usr/local/bin/mmconnect-gammu\n",
            ),
            after=_TRIED,
        ),
    ),
    notes=("The ids that SMSD hands over tell repeated pushes apart.",),
)

SMSTOOLS = Guide(
    name="smstools",
    label="SMS Server Tools 3",
    phone=Phone.MODEM,
    source=Source(
        label="smstools3.kekekasvi.com",
        url="http://smstools3.kekekasvi.com/",
        note="Or the package `smstools`.",
    ),
    minimum="3.1 or newer",
    effort=Effort.MEDIUM,
    loss=_SPOOLED,
    summary="A USB modem on Linux, with smsd of smstools.",
    steps=(
        Step(
            title="Save the event handler",
            text=_INSTALLED + " Make the file executable, and readable for smsd's user alone:",
            block=_hook(
                "mmconnect-smstools",
                "Hands a text of smsd to mmconnect.",
                '--smstools "$@"',
            ),
        ),
        Step(
            title="Let smsd call it",
            text="In `/etc/smsd.conf`, then restart it:",
            block=Block(
                title="/etc/smsd.conf",
                language="ini",
                text="eventhandler = /usr/local/bin/mmconnect-smstools\n",
            ),
        ),
        Step(
            title="Try it",
            text="As smsd's user, which is `smsd` here:",
            block=Block(
                title="Terminal",
                language="sh",
                text="printf 'From: 6581230000\\n\\nhello' > /tmp/hello.sms; sudo -u smsd"
                " /usr/local/bin/mmconnect-smstools RECEIVED /tmp/hello.sms\n",
            ),
            after=_TRIED,
        ),
    ),
    notes=("Only received texts are handed on; other events are left alone.",),
)

KANNEL = Guide(
    name="kannel",
    label="Kannel",
    phone=Phone.SERVER,
    source=Source(
        label="kannel.org", url="https://www.kannel.org/", note="Or the package `kannel`."
    ),
    minimum="1.4 or newer",
    effort=Effort.MEDIUM,
    loss=Loss(
        kept=Kept.SOME,
        span="24 hours",
        why="smsbox tries 8640 times, every 10 s. What it still holds is lost when it is stopped.",
    ),
    summary="An SMSC connection, a modem pool: Kannel's smsbox hands texts on.",
    steps=(
        Step(
            title="Add a service",
            text="In `kannel.conf`:",
            block=Block(
                title="A group of its own",
                language="ini",
                text="group = sms-service\n"
                "keyword = default\n"
                "catch-all = true\n"
                "max-messages = 0\n"
                "omit-empty = true\n"
                'post-url = "{url}"\n',
            ),
            after="`post-url` sends the text as the body and the rest as `X-Kannel-…` headers.",
        ),
        Step(
            title="Let it try again",
            text="In the group `smsbox`, then restart smsbox:",
            fields=(
                Field(name="http-request-retry", value="8640", note="its default is 0"),
                Field(name="http-queue-delay", value="10", note="seconds"),
            ),
        ),
    ),
    warnings=(
        "Kannel sends what it is answered back to the sender as an SMS. `max-messages = 0` stops"
        " that, and so does the device's app: for `kannel`, mmconnect answers with nothing.",
    ),
)

GENERIC = Guide(
    name="generic",
    label="Anything else that can send HTTP",
    phone=Phone.OTHER,
    source=None,
    minimum="",
    effort=Effort.MORE,
    loss=Loss(
        kept=Kept.NONE,
        why="Unless your sender tries again until it is answered with 200: that means that the text"
        " is on mmconnect's disk.",
    ),
    summary="Another app, a router, a script: JSON, a form or plain text.",
    steps=(
        Step(
            title="Send each text to the push URL",
            text="With `POST`, as JSON, a form, or the text as it is. Where the URL can hold no"
            " token, send to `{base}/in` with the token as `Authorization: Bearer`,"
            " as Basic password or as `X-Api-Key`.",
            fields=(
                Field(name="URL", value="{url}", role=Role.URL),
                Field(name="Content type", value="application/json", role=Role.TYPE),
                Field(
                    name="Body",
                    value='{"from":"FROM","text":"TEXT","id":"ID","sentAt":"TIME"}',
                    role=Role.BODY,
                    note="escape FROM and TEXT for JSON; leave out what you do not have",
                ),
            ),
        ),
        Step(
            title="Or send the text as it is",
            text="For senders that cannot escape: the body is the text, the rest is in headers.",
            block=Block(
                title="With curl",
                language="sh",
                text="curl -H 'Content-Type: text/plain' -H 'X-SMS-From: +6581230000'"
                " -d 'hello \"you\"' {url}\n",
            ),
        ),
    ),
    notes=("All names of fields, own ones, batches, signatures and answers are in the docs.",),
)
