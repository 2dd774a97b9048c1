"""What may be wrong, by what somebody notices: what to look at first, and where.

Data alone, in the order in which it is usually found out. A path is one of our own pages, and `{…}`
in a command a property of Installed (admin/upkeep.py).
"""

from __future__ import annotations

from dataclasses import dataclass

Link = tuple[str, str]
"""Words and path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One thing to look at: what it means when it is so, and what to do."""

    asks: str
    says: str
    links: tuple[Link, ...] = ()
    code: str = ""
    """A command that tells more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """What somebody notices."""

    name: str
    title: str
    looks: tuple[Look, ...]


SYMPTOMS = (
    Symptom(
        name="text",
        title="A text did not arrive",
        looks=(
            Look(
                asks="Is it among the messages?",
                says="Search for the number or a word of it. When it is there, the phone's side is"
                " well: its page says what happened to it. When it is not, the phone did not push"
                " it: go on with the next.",
                links=(("Messages", "/messages"),),
            ),
            Look(
                asks="Has the phone been heard lately?",
                says="If not: is it on, charged and in this Wi-Fi, and may the app run in the"
                " background? Battery saving that puts the app to sleep is the usual reason.",
                links=(("Phones", "/phones"), ("Guides of the apps", "/help/phones")),
            ),
            Look(
                asks="Were its pushes refused, or not understood?",
                says="A wrong token, a wrong signing key and a push that could not be read are all"
                " shown on the phone's page, with what to do. What could not be read is kept, and"
                " can be read again after the mapping is mended.",
                links=(("Phones", "/phones"),),
            ),
            Look(
                asks="Does nobody want it?",
                says="The text's page then says so. Each endpoint says which texts it wants; a text"
                " can be sent to it all the same.",
                links=(("Endpoints", "/endpoints"),),
            ),
            Look(
                asks="Does it wait, or did it fail?",
                says="Its delivery says why in a sentence, and when it is tried again. Failed ones"
                " are kept, and can be sent again when the receiver is mended.",
                links=(
                    ("Waiting", "/deliveries?state=pending"),
                    ("Failed", "/deliveries?state=failed"),
                ),
            ),
            Look(
                asks="Is it delivered, and your software does not show it?",
                says="Then your receiver answered 2xx: look for the `webhook-id` in its own log."
                " The attempt's page has the answer that it gave.",
                links=(("Delivered", "/deliveries?state=delivered"),),
            ),
        ),
    ),
    Symptom(
        name="held",
        title="An endpoint is held",
        looks=(
            Look(
                asks="What does it say?",
                says="Its page has the reason and the remedy in words. Its texts wait and"
                " lose no attempt; it is probed by itself, and one success sends them all.",
                links=(("Endpoints", "/endpoints"),),
            ),
            Look(
                asks="Is the receiver mended?",
                says="*Try it now* or *Send a test* on its page makes one request at once. After"
                " 410 nothing is tried until you resume it.",
                links=(("Endpoints", "/endpoints"),),
            ),
        ),
    ),
    Symptom(
        name="signature",
        title="My receiver answers 401",
        looks=(
            Look(
                asks="Is it the same secret?",
                says="The secret is shown on the endpoint's page after your password. It is used"
                " whole for the plain headers, and what the base64 after `whsec_` decodes to for"
                " `webhook-signature`.",
                links=(("Endpoints", "/endpoints"), ("What is signed", "/help/webhooks#signature")),
            ),
            Look(
                asks="Does it check the raw body?",
                says="A body that was parsed and written anew is another body. This says just why"
                " a signature does not match:",
                code="mmconnect verify --secret @secret.txt --body body.json --header"
                " 'webhook-id: …' --header 'webhook-timestamp: …' --header 'webhook-signature: …'",
            ),
            Look(
                asks="Is its clock right?",
                says="A receiver that checks `webhook-timestamp` refuses what is 5 minutes off."
                " `timedatectl` says whether a clock is synchronised.",
            ),
        ),
    ),
    Symptom(
        name="twice",
        title="Texts come twice",
        looks=(
            Look(
                asks="Do both have the same id?",
                says="Delivery is at least once: after a timeout, a crash or a replay the same text"
                " comes again, with the same `webhook-id`. Let the receiver answer 2xx and do"
                " nothing when it knows the id.",
                links=(("Recipes that do", "/help/recipes"),),
            ),
            Look(
                asks="Are they two messages with the same words?",
                says="Then the phone pushed them as two. If the sender sent one, its app may be a"
                " version that pushes twice: the phone's page says so. Its settings have a time"
                " within which the same push counts as one.",
                links=(("Phones", "/phones"),),
            ),
        ),
    ),
    Symptom(
        name="late",
        title="Texts come late",
        looks=(
            Look(
                asks="When did mmconnect get it?",
                says="The text's page has both times: when it was sent, and when it came. Between"
                " them lie the network and the phone; an app that sleeps pushes when it wakes.",
                links=(("Messages", "/messages"),),
            ),
            Look(
                asks="How quick is the receiver?",
                says="The check-up measures it. A slow answer is tried again; let it first store"
                " the text, answer, and work afterwards.",
                links=(("Endpoints", "/endpoints"),),
            ),
        ),
    ),
    Symptom(
        name="reach",
        title="The phone cannot reach mmconnect",
        looks=(
            Look(
                asks="Does the push URL open in the phone's browser?",
                says="It says whether the token is good. If it does not open: is the phone in this"
                " network, not in a guest Wi-Fi, and does a firewall of this machine let the port"
                " in?",
                links=(("Phones", "/phones"),),
            ),
            Look(
                asks="Does the app want https?",
                says="Some push over https alone. Make mmconnect's own certificate, and let the"
                " phone trust it; the phone's page leads through it.",
                links=(("Network and TLS", "/settings/network"),),
            ),
            Look(
                asks="Has this machine a new address?",
                says="The overview then names the phones with their old and their new URL. Reserve"
                " the address in your router, and it stays.",
                links=(("Overview", "/"),),
            ),
        ),
    ),
    Symptom(
        name="machine",
        title="The machine itself has a problem",
        looks=(
            Look(
                asks="What does the overview say?",
                says="A full disk, a database that cannot be written, a clock that is not right and"
                " a certificate that ends are named there, with what to do.",
                links=(("Overview", "/"),),
            ),
            Look(
                asks="What does the doctor find?",
                says="It looks at the disk and its speed, the network, names, receivers, power and"
                " all the rest, and says what to do. On the machine itself it works also when"
                " mmconnect does not run:",
                links=(("The doctor", "/help/doctor"),),
                code="{doctor}",
            ),
            Look(
                asks="Does it start again and again, or was it just updated?",
                says="Its log says why, last. What is typed for that on this machine, and the way"
                " back to an older version, stand here:",
                links=(
                    ("The machine and the service", "/help/machine"),
                    ("Updates", "/help/updates"),
                ),
            ),
            Look(
                asks="Did the card or the disk fail?",
                says="A backup has everything, and is restored onto a new card or another machine.",
                links=(("Backup and restore", "/help/backups"),),
            ),
            Look(
                asks="Is the password forgotten?",
                says="Whoever can use the machine sets another, on the machine itself. Every"
                " browser has to log in again:",
                code="{mm} admin set-password",
            ),
            Look(
                asks="Is the page refused under another name?",
                says="mmconnect answers to its addresses and to its own name. Another name, or a"
                " proxy in front of it, is allowed in the settings.",
                links=(("Network", "/settings/network"),),
            ),
        ),
    ),
)
