"""Apps in which people build the forwarding themselves: on Android, on an iPhone, in a script.

Those that do not escape texts for JSON use the raw form: the text is the body, the rest stands in
headers, so that no text can break it or add fields to it.
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

TASKER = Guide(
    name="tasker",
    label="Tasker",
    phone=Phone.ANDROID,
    source=Source(
        label="Google Play",
        url="https://play.google.com/store/apps/details?id=net.dinglisch.android.taskerm",
    ),
    minimum="5.8 or newer, for *HTTP Request*",
    effort=Effort.MORE,
    loss=Loss(
        kept=Kept.NONE,
        why="Tasker does not repeat. Tick *Continue Task After Error* and loop until"
        " `%http_response_code` is 200 if you need more.",
    ),
    summary="If you have it already: one profile, one action.",
    steps=(
        Step(
            title="Make a profile",
            text="*Profiles › + › Event › Phone › Received Text*, type *Any*. Allow Tasker SMS.",
        ),
        Step(
            title="Give it a task",
            text="A new task with one action, *Net › HTTP Request*:",
            fields=(
                Field(name="Method", value="POST", copied=False),
                Field(name="URL", value="{url}", role=Role.URL),
                Field(
                    name="Headers",
                    value="X-SMS-From:%SMSRF\nX-SMS-Time:%TIMES",
                    role=Role.HEADERS,
                    note="two lines",
                ),
                Field(name="Body", value="%SMSRB", role=Role.BODY),
                Field(name="Content type", value="text/plain", role=Role.TYPE),
            ),
        ),
    ),
    warnings=(
        "Tasker does not escape texts: a quotation mark in a text breaks a hand-written JSON body,"
        " and a stranger's text could even add fields to it. This form has nothing to escape.",
    ),
)

MACRODROID = Guide(
    name="macrodroid",
    label="MacroDroid",
    phone=Phone.ANDROID,
    source=Source(
        label="Google Play",
        url="https://play.google.com/store/apps/details?id=com.arlosoft.macrodroid",
    ),
    minimum="5.20 or newer, for *HTTP Request*",
    effort=Effort.MORE,
    loss=Loss(kept=Kept.NONE, why="MacroDroid does not repeat."),
    summary="If you have it already: one macro.",
    steps=(
        Step(
            title="Make a macro",
            text="Trigger *SMS Received*, from any number, any content.",
        ),
        Step(
            title="Give it an action",
            text="*Web Interactions › HTTP Request*:",
            fields=(
                Field(name="Method", value="POST", copied=False),
                Field(name="URL", value="{url}", role=Role.URL),
                Field(name="Header, its name", value="X-SMS-From", role=Role.HEADER_NAME),
                Field(name="Header, its value", value="{sms_number}", role=Role.HEADER_VALUE),
                Field(name="Content type", value="text/plain", role=Role.TYPE),
                Field(name="Content body", value="{sms_message}", role=Role.BODY),
            ),
            after="Older versions write `[sms_number]` and `[sms_message]`: take them from the *…*"
            " list beside the field.",
        ),
    ),
    warnings=("It does not escape texts for JSON; this form has nothing to escape.",),
)

AUTOMATE = Guide(
    name="automate",
    label="Automate",
    phone=Phone.ANDROID,
    source=Source(
        label="Google Play",
        url="https://play.google.com/store/apps/details?id=com.llamalab.automate",
    ),
    minimum="1.20 or newer",
    effort=Effort.MORE,
    loss=Loss(
        kept=Kept.NONE,
        why="Unless the flow loops: connect the block's *fail* exit, and a status other than 200,"
        " to a *Delay* and back to the request. Then a text waits as long as the flow lives.",
    ),
    summary="By LlamaLab, if you have it already: a flow of two blocks.",
    steps=(
        Step(
            title="Make a flow",
            text="Blocks *SMS received* → *HTTP request*, and back to the first. Let *SMS received*"
            " put the phone number, the message and the sent time into the variables `number`,"
            " `message` and `timestamp`.",
        ),
        Step(
            title="Fill in the request",
            text="Fields with a formula have *fx* switched on.",
            fields=(
                Field(name="Request URL", value="{url}", role=Role.URL),
                Field(name="Request method", value="POST", copied=False),
                Field(name="Request content type", value="application/json", role=Role.TYPE),
                Field(
                    name="Request content body (fx)",
                    value='jsonEncode({"from": number, "text": message, "sentAt": timestamp})',
                    role=Role.BODY,
                ),
            ),
            after="Save the *response code* to a variable if you want to repeat.",
        ),
    ),
)

SHORTCUTS = Guide(
    name="shortcuts",
    label="Shortcuts",
    phone=Phone.IPHONE,
    source=Source(label="App Store", url="https://apps.apple.com/app/shortcuts/id915249334"),
    minimum="iOS 17 or newer",
    effort=Effort.SMALL,
    loss=Loss(
        kept=Kept.NONE,
        why="Shortcuts shows a banner and does not repeat. The text stays on the iPhone.",
    ),
    summary="The only way on an iPhone; it is part of iOS.",
    steps=(
        Step(
            title="Make an automation",
            text="In the app *Shortcuts*: *Automation › + › Message*. For *Message Contains* enter"
            " one space, leave *Sender* empty, choose *Run Immediately*.",
        ),
        Step(
            title="Add the action",
            text="*New Blank Automation › Get Contents of URL*. Its arrow shows more fields:",
            fields=(
                Field(name="URL", value="{url}", role=Role.URL),
                Field(name="Method", value="POST", copied=False),
                Field(name="Request Body", value="JSON", copied=False),
                Field(
                    name="from",
                    value="Sender, of the Shortcut Input",
                    role=Role.JSON,
                    copied=False,
                    note="a new field of type Text",
                ),
                Field(
                    name="text",
                    value="Content, of the Shortcut Input",
                    role=Role.JSON,
                    copied=False,
                    note="a new field of type Text",
                ),
            ),
        ),
        Step(
            title="Let it reach mmconnect",
            text="With the first text, iOS asks once whether Shortcuts may use the local network:"
            " allow it. (Later: *Settings › Privacy & Security › Local Network*.)",
        ),
    ),
    warnings=(
        "The sender can be a contact's name; mmconnect passes on what the iPhone gives.",
        "Do not add *Current Date*: it is the time of the run, in the phone's own notation.",
    ),
    notes=("Texts without a space do not run it: add a second automation for `a`, say.",),
)

TERMUX = Guide(
    name="termux",
    label="Termux",
    phone=Phone.ANDROID,
    source=Source(label="F-Droid", url="https://f-droid.org/packages/com.termux/"),
    minimum="0.118 or newer, with Termux:API",
    effort=Effort.MORE,
    loss=Loss(
        kept=Kept.ALL,
        why="The script pushes the newest 50 texts again and again, so nothing is lost as long as"
        " no more than that come in the meantime (`-l`). What mmconnect has already, it recognises"
        " by Android's own id of the text.",
    ),
    summary="A script that pushes the inbox again and again.",
    steps=(
        Step(
            title="Install both apps",
            text="Termux and Termux:API, both from F-Droid, as others do not fit together. Allow"
            " Termux:API to read SMS. In Termux: `pkg install termux-api curl`.",
        ),
        Step(
            title="Make the script",
            text="Save it as `~/push.sh`:",
            block=Block(
                title="push.sh",
                language="sh",
                text="termux-sms-list -t inbox -l 50 | curl -sS --fail"
                " -H 'Content-Type: application/json' --data-binary @- {url}\n",
            ),
        ),
        Step(
            title="Run it again and again",
            text="Every minute in a loop, or every quarter of an hour by Android itself:",
            block=Block(
                title="A loop, which has to keep running",
                language="sh",
                text="termux-wake-lock; while sleep 60; do sh ~/push.sh; done\n",
            ),
        ),
    ),
)
