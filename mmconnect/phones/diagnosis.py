"""What the person who waits for the first text is told: what was seen, and what cannot be seen.

Pure: from what came in that was no good, to sentences. What came from the phone's own address goes
first; what came from another one is said to, as it may be somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from mmconnect.phones.sightings import Mistake, Sighting

Network = IPv4Network | IPv6Network

UNSEEN_AFTER = 60.0
"""Seconds of nothing, after which what cannot be seen is named."""
_MOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or may be, and what to do."""

    title: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of the browser that waits, and of the app."""

    address: str
    """The browser's."""
    on_phone: bool
    """Whether it seems to be a phone's browser: then its address is the phone's."""
    networks: Sequence[Network]
    """This machine's own; empty when they are not known."""
    needs_https: bool = False
    has_https: bool = False
    secure: bool = False
    """Whether the push URL shown is an https one."""
    port: str = ""
    """Of the push URL shown."""


_SEEN: Mapping[Mistake, tuple[str, str]] = {
    Mistake.UNKNOWN_TOKEN: (
        "A push came with a wrong token",
        "Copy the push URL from the pairing page once more, whole, and paste it over the one in the"
        " app. Often its end is missing, or a blank came along.",
    ),
    Mistake.REMOVED: (
        "A push came with the token of a device that was removed",
        "The app still has an older push URL. Paste the one from the pairing page over it.",
    ),
    Mistake.WRONG_PATH: (
        "A push came to a wrong path",
        "Address and port in the app are right, the rest is not. Copy the push URL once more: after"
        " the port comes `/in/` and then the token.",
    ),
    Mistake.HTTPS_TO_HTTP: (
        "https was spoken on the port for plain http",
        "Copy the push URL once more, as it stands: http and https have ports of their own.",
    ),
    Mistake.HTTP_TO_HTTPS: (
        "Plain http was spoken on the port for https",
        "Copy the push URL once more, as it stands: http and https have ports of their own.",
    ),
    Mistake.TLS_REFUSED: (
        "The phone does not trust mmconnect's certificate",
        "Install mmconnect's certificate on the phone, as *CA certificate*, and try again.",
    ),
    Mistake.BAD_SIGNATURE: (
        "A push came with a wrong signature",
        "The app's secret is not this device's signing key. Copy it from the pairing page once"
        " more.",
    ),
    Mistake.NOT_UNDERSTOOD: (
        "A push came, but it could not be read",
        "The address is right. Compare the template (or body, headers and content type) with those"
        " of the pairing page. What came is kept: `mmconnect message list` shows it, with the"
        " reason.",
    ),
    Mistake.METHOD: (
        "Something came with GET where a push is a POST",
        "Set the app's method to `POST`.",
    ),
}

_BATTERY = Finding(
    title="The app is asleep, or may not read texts",
    fix="Allow it SMS, exempt it from battery saving, let it start by itself. RCS chats are no SMS:"
    " send a real text, or switch RCS off in the messages app.",
)
_GUEST = Finding(
    title="A guest Wi-Fi keeps devices apart",
    fix="Join the phone to the main Wi-Fi. Routers call it guest network, client or AP isolation.",
)
_MOBILE = Finding(
    title="The phone is on mobile data",
    fix="Switch Wi-Fi on and see that it is connected. When a Wi-Fi has no internet, phones may go"
    " back to mobile data: tell it to stay connected.",
)
_VPN = Finding(
    title="A VPN or private relay on the phone",
    fix="Switch it off for a moment, or let it leave the local network alone.",
)


def findings(seen: Sequence[Sighting], around: Circumstances) -> list[Finding]:
    """What is wrong, most telling first; at most a few."""
    found: list[Finding] = []
    if around.needs_https and not around.has_https:
        found.append(
            Finding(
                title="This app pushes over HTTPS alone, and mmconnect has no certificate yet",
                fix="On the machine with mmconnect: `mmconnect tls create-ca`. Then look at the"
                " steps again. Until then mmconnect can only fetch.",
            )
        )
    latest = list(reversed(seen))
    own = [one for one in latest if around.on_phone and one.address == around.address]
    others = [one for one in latest if one not in own]
    told: set[Mistake] = set()
    for one in (*own, *others):
        if one.mistake in told or len(told) == _MOST:
            continue
        told.add(one.mistake)
        title, fix = _told(one.mistake, around)
        if one not in own:
            title = f"{title}, from {one.address}"
            fix += (
                " (From another address than this browser's: it may be somebody else's.)"
                if (around.on_phone)
                else ""
            )
        found.append(Finding(title=title, fix=fix))
    if _is_elsewhere(around):
        found.append(
            Finding(
                title="This browser is in another network than mmconnect",
                fix=f"It comes from {around.address}. Join the phone to the same Wi-Fi as"
                " mmconnect, and to no guest network. If your router connects the two on purpose,"
                " all is well.",
            )
        )
    return found


def unseen(around: Circumstances) -> list[Finding]:
    """What cannot be seen from here, the likeliest first."""
    firewall = Finding(
        title="A firewall on the machine with mmconnect",
        fix=f"Let port {around.port or 8481} in, for example by `sudo ufw allow"
        f" {around.port or 8481}/tcp`.",
    )
    if around.on_phone:  # it reaches this page, so Wi-Fi and firewall let it through
        return [_BATTERY, _MOBILE, _VPN, _GUEST, firewall]
    return [_GUEST, firewall, _MOBILE, _VPN, _BATTERY]


def _told(mistake: Mistake, around: Circumstances) -> tuple[str, str]:
    title, fix = _SEEN[mistake]
    if mistake is Mistake.HTTPS_TO_HTTP and not around.secure:
        fix = "The push URL begins with `http://`, not `https://`: copy it once more, as it stands."
    return title, fix


def _is_elsewhere(around: Circumstances) -> bool:
    try:
        address = ip_address(around.address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not around.networks or address.is_loopback or address.is_link_local:
        return False
    return not any(address in network for network in around.networks)
