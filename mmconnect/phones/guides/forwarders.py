"""The three Android apps that are made for forwarding texts, best first.

Figures of their retries: from their sources, and computed; tests/docs compares what can be.
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

ANDROID_13 = (
    "Android 13 and newer grey out the SMS permission of an app that came as a file. Then open"
    " Android's *Settings › Apps*, the app, the three dots at the top, *Allow restricted"
    " settings*, and give the permission again."
)

INCOMING_SMS = Guide(
    name="incoming_sms",
    label="Incoming SMS to URL forwarder",
    phone=Phone.ANDROID,
    source=Source(
        label="F-Droid",
        url="https://f-droid.org/packages/tech.bogomolov.incomingsmsgateway/",
    ),
    minimum="2.3.0 or newer, better 2.4.0",
    effort=Effort.SMALL,
    loss=Loss(
        kept=Kept.SOME,
        span="4 days",
        why="With 30 retries the app tries again after 10 s, 20 s, 40 s …, at most 5 h apart: for 4"
        " days. With its default of 10 it gives up after 2 h 50 min, with 20 after 2 days; 50 last"
        " 8 days. After the last one the text is no longer sent (2.4 keeps it in a list, to be sent"
        " by hand). It stays in the phone's inbox.",
    ),
    summary="The least to set up, and it goes on trying for days.",
    steps=(
        Step(
            title="Install the app",
            text="Open it once and allow it to receive SMS.",
        ),
        Step(
            title="Add a rule",
            text="Press *+* in the app and fill in:",
            fields=(
                Field(name="Sender", value="*"),
                Field(name="Webhook URL", value="{url}", role=Role.URL),
                Field(
                    name="Template",
                    value="{\n"
                    '  "from":"%from%",\n'
                    '  "text":"%text%",\n'
                    '  "sentStamp":%sentStamp%,\n'
                    '  "receivedStamp":%receivedStamp%,\n'
                    '  "sim":"%sim%"\n'
                    "}",
                    role=Role.BODY,
                    note="what is there already; leave it",
                ),
                Field(name="Headers", value="leave them", copied=False),
                Field(name="Retries", value="30", note="its default of 10 ends after three hours"),
                Field(name="Secret", value="{secret}", keyed=True, note="2.4 and newer"),
                Field(name="Ignore SSL errors", value="off", copied=False),
                Field(name="Chunked mode", value="leave it", copied=False),
            ),
            after="On a Wi-Fi without internet also switch on *local network mode* (2.4 and"
            " newer); older versions may wait for internet before they send.",
        ),
        Step(
            title="Try it",
            text="Press *Test* in the rule: a text `test message` from `123456789` arrives. Then"
            " save the rule.",
        ),
    ),
    warnings=(
        "Before 2.4, switching *chunked mode* off breaks texts with accents or emoji.",
        "A fork (`scottmconway`) writes `%fromName%`, the contact's name, into its template. Change"
        " it to `%from%`.",
    ),
    notes=(
        "Since 2.4 a rule can have a **secret**. Add the device with `--signing-key`, and the"
        " same one here: unsigned pushes are then refused.",
    ),
)

SMSGATE = Guide(
    name="smsgate",
    label="SMS Gateway for Android",
    phone=Phone.ANDROID,
    source=Source(
        label="GitHub releases",
        url="https://github.com/capcom6/android-sms-gateway/releases",
        note="Take `app-release.apk` of the newest release. It is not on Google Play.",
    ),
    minimum="1.66.2 or newer",
    effort=Effort.MEDIUM,
    needs_https=True,
    loss=Loss(
        kept=Kept.SOME,
        span="45 hours",
        why="16 attempts over 45 hours, each wait twice the one before: nothing is lost in a night,"
        " but after some hours away a text can come hours late. After 45 hours the app gives up;"
        " the text stays on the phone.",
    ),
    fetched=Loss(
        kept=Kept.ALL,
        why="mmconnect fetches the phone's inbox: whatever came in meanwhile is there as soon as"
        " both are back. Pushes alone survive 45 hours.",
    ),
    summary="The most complete: texts, MMS, battery, and mmconnect can fetch what it missed.",
    steps=(
        Step(
            title="Install the app",
            text="Download `app-release.apk` on the phone and open it. Android asks whether the"
            " browser may install apps: allow it. If Play Protect warns of an unknown app: *More"
            " details › Install anyway*. " + ANDROID_13,
        ),
        Step(
            title="Start its server",
            text="In the app, allow SMS and phone state. Switch on *Local server*, and in its"
            " settings *Start on boot*. Press *Offline*, so that it says *Online*. The home tab"
            " now shows the phone's address, user and password.",
        ),
        Step(
            title="Let mmconnect fetch its texts",
            text="On the computer with mmconnect, with the address and the password from the home"
            " tab. This needs no certificate, and from now on nothing is lost:",
            block=Block(
                title="Terminal",
                language="sh",
                text="mmconnect device link {id} --phone-url http://{phone}:8080"
                " --phone-password PASSWORD\n",
            ),
        ),
        Step(
            title="Let the phone push, too",
            text="Pushes are the quickest, but the app sends them over HTTPS alone. So the phone"
            " has to know mmconnect's certificate; mmconnect does the rest as soon as it has one.",
            certificate=True,
        ),
    ),
    warnings=(
        "Versions 1.65.2 to 1.66.1 lose a second text that reads like an earlier one, 1.51.1 and"
        " 1.51.2 send each text twice: update them.",
        "Without HTTPS there is `app-insecure.apk` on the same page: the same app with plain http"
        " allowed, signed with the same key, so it installs over the standard build. Texts then"
        " cross your network unencrypted.",
    ),
    notes=(
        "What the inbox holds at the beginning is history: it is kept, and not sent to your"
        " endpoints.",
        "The app reminds of its webhooks by a notification; that is meant to be.",
        "`system:ping` comes only when *Ping* is on; it tells mmconnect that the phone is alive.",
        "An **MMS** comes in two parts: `mms:received` when it waits at the operator,"
        " `mms:downloaded` when the phone's SMS app has fetched it. mmconnect makes one message of"
        " them. When no download follows within 15 minutes, the announcement becomes a message by"
        " itself; a later download is then a second message whose `ref` is the first one's id."
        " Contents of attachments are not kept, in no copy.",
        "Of a **batch** (an export of the inbox, since 1.71) every text that can be read goes its"
        " way; what cannot stands aside as a message that was not understood.",
    ),
)

SMSFORWARDER = Guide(
    name="smsforwarder",
    label="SmsForwarder",
    phone=Phone.ANDROID,
    source=Source(
        label="GitHub releases",
        url="https://github.com/pppscn/SmsForwarder/releases",
        note="An APK; the one with `universal` in its name fits every phone.",
    ),
    minimum="3.0 or newer",
    effort=Effort.MEDIUM,
    loss=Loss(
        kept=Kept.SOME,
        span="24 hours",
        why="With 10 retries it tries for about a minute, and only when there is no connection. The"
        " automatic task sends again what failed in the last 24 hours. Without retries and task,"
        " its defaults, each text that comes meanwhile is lost to mmconnect. What failed stays in"
        " the app's log, and can be sent again there by hand.",
    ),
    fetched=Loss(
        kept=Kept.ALL,
        why="mmconnect asks the app for the texts that came while it was away.",
    ),
    summary="Many settings, plain http, and a task that sends again what failed.",
    steps=(
        Step(
            title="Install the app",
            text="Download the APK on the phone and open it. " + ANDROID_13,
        ),
        Step(
            title="Add a sender",
            text="*Senders › + › Webhook*:",
            fields=(
                Field(name="Method", value="POST", copied=False, note="its GET form is broken"),
                Field(name="URL", value="{url}", role=Role.URL),
                Field(name="Header, its name", value="Content-Type", role=Role.HEADER_NAME),
                Field(name="Header, its value", value="application/json", role=Role.HEADER_VALUE),
                Field(
                    name="Message template",
                    value='{"from":"[from]","text":"[org_content]",'
                    '"received":"[receive_time:yyyy-MM-dd\'T\'HH:mm:ssZ]",'
                    '"sim":"[card_slot]","device":"[device_mark]","ts":"[timestamp]",'
                    '"sign":"[sign]"}',
                    role=Role.BODY,
                ),
                Field(name="Success keyword (response)", value='"ok":true', role=Role.ANSWER),
                Field(
                    name="Secret",
                    value="{secret}",
                    keyed=True,
                    note="it signs the time of the push, and nothing else",
                ),
            ),
        ),
        Step(
            title="Add a rule",
            text="*Rules › SMS*: send every text to that sender. Calls and app notifications go the"
            " same way and would look like texts: give them no rule with this sender.",
        ),
        Step(
            title="Let it try again",
            text="Under *General settings*:",
            fields=(Field(name="Request retries", value="10", note="its default is 0"),),
            after="And add an *automatic task*, every 30 minutes, that **resends what failed in the"
            " last 24 hours**.",
        ),
        Step(
            title="Let mmconnect fetch what was missed",
            text="In the app, under *Active control*, start its HTTP server (port 5000) with a sign"
            " secret, and allow it to query SMS. On the computer with mmconnect:",
            block=Block(
                title="Terminal",
                language="sh",
                text="mmconnect device link {id} --phone-url http://{phone}:5000"
                " --phone-password SIGN-SECRET\n",
            ),
        ),
    ),
    warnings=(
        "Without a template (the field left empty) the app sends a page around the text, and a"
        " text that looks like such a page itself can be cut. Use the template.",
        "With a **secret** the app signs the time of the push alone: whoever copies a push can put"
        " another text into it. So the secret adds little.",
    ),
)
