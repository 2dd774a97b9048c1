"""How the settings are called on the pages, what is said beside each, and on which form it stands.

Data alone. Which settings there are, and how they are read, is at the desk (desk/settings.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mmconnect.desk import settings
from mmconnect.domain import countries

TABS = (
    ("general", "General", "/settings"),
    ("privacy", "Privacy", "/settings/privacy"),
    ("network", "Network", "/settings/network"),
    ("password", "Password", "/settings/password"),
    ("sessions", "Sessions", "/settings/sessions"),
    ("keys", "API keys", "/settings/keys"),
    ("backup", "Backup", "/settings/backup"),
    ("changes", "Changes", "/settings/changes"),
)
"""The parts of the settings: name, words, path. For `settings/_tabs.html`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting on a page."""

    name: str
    label: str
    note: str = ""
    options: tuple[tuple[str, str], ...] = ()
    """Value and words, where it is a choice."""
    placeholder: str = ""
    """What stands when it is left empty."""

    @property
    def is_switch(self) -> bool:
        """Whether it is a box to tick."""
        return settings.KNOWN[self.name].sort is settings.Sort.SWITCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A form."""

    tab: str
    path: str
    title: str
    lead: str
    fields: tuple[Field, ...] = field(default=())


GENERAL = Group(
    tab="general",
    path="/settings",
    title="General",
    lead="What this appliance is called, how it looks, and whom it tells when something is wrong.",
    fields=(
        Field(
            name="site_name",
            label="Name of this site",
            note="Stands above every page, and in every webhook as `tenantName`.",
            placeholder="this machine's name",
        ),
        Field(
            name="country",
            label="Country of phone numbers",
            note="By it a new phone's numbers without + are read. Each phone can have another.",
            options=(("", "None: they stay as the phone gives them"), *countries.NAMES.items()),
        ),
        Field(
            name="appearance",
            label="Appearance",
            options=(
                ("", "As your device has it"),
                ("light", "Light"),
                ("dark", "Dark"),
            ),
        ),
        Field(
            name="alert_url",
            label="Alert URL",
            note="Gets every operational event (a phone is silent, an endpoint is held, the disk is"
            " full), signed like a webhook. Its secret is shown once, when you set it.",
            placeholder="off",
        ),
        Field(
            name="replay_rate",
            label="Deliveries a second when many are sent again",
            note="So that a receiver is not run over.",
            placeholder="20",
        ),
    ),
)
PRIVACY = Group(
    tab="privacy",
    path="/settings/privacy",
    title="Privacy",
    lead="How long texts are kept. What still waits for an endpoint is never removed.",
    fields=(
        Field(
            name="retention_messages",
            label="Messages are kept for",
            note="Then they go, with their deliveries: `90d`, `12h`, …",
            placeholder="90d",
        ),
        Field(
            name="retention_attempts",
            label="Attempts are kept for",
            note="What was sent and answered, for each delivery.",
            placeholder="30d",
        ),
        Field(
            name="wipe_after",
            label="Texts are wiped after",
            note="The text itself, wherever it stands, while its row stays: when, from whom, and"
            " what became of it.",
            placeholder="off: with their message",
        ),
        Field(
            name="wipe_delivered",
            label="Wipe a text as soon as it is delivered everywhere",
            note="Then it cannot be sent again.",
        ),
    ),
)
NETWORK = Group(
    tab="network",
    path="/settings/network",
    title="Network",
    lead="Where mmconnect is reached, and where its webhooks may go.",
    fields=(
        Field(
            name="allowed_hosts",
            label="Further names of this machine",
            note="Under which these pages may be asked for, besides its addresses and local names:"
            " `mm.example.org`. Separate several by commas.",
        ),
        Field(
            name="trusted_proxies",
            label="Trusted reverse proxies",
            note="Their addresses: `127.0.0.1,10.0.0.5`. They are believed when they say who asks."
            " Where one speaks HTTPS, browsers then log in once more.",
        ),
        Field(
            name="base_path",
            label="Path below which a proxy shows these pages",
            note="Like `/mmconnect`.",
            placeholder="off",
        ),
        Field(
            name="address_allow",
            label="Webhooks may also go to",
            note="Networks that are refused otherwise: `169.254.7.0/24`. It beats the next field."
            " Elsewhere it is called `address_allow`.",
        ),
        Field(
            name="address_deny",
            label="Webhooks may not go to",
            note="Networks that are refused besides: `192.0.2.0/24`.",
        ),
        Field(
            name="clock_trusted",
            label="This machine's clock is right although its kernel cannot tell",
            note="Of a virtual machine or a container, say. Until the clock is known to be right,"
            " nothing expires and nothing is removed. Elsewhere it is called `clock_trusted`.",
        ),
    ),
)
BACKUP = Group(
    tab="backup",
    path="/settings/backup/schedule",
    title="Schedule",
    lead="",
    fields=(
        Field(
            name="backup_schedule",
            label="A backup is made",
            note="About three in the morning, when something has happened since the last one.",
            options=(
                ("", "Every night"),
                ("weekly", "Every Sunday"),
                ("off", "Only when somebody asks for one"),
            ),
        ),
        Field(
            name="backup_keep",
            label="How many of those stay",
            note="An older one goes when a new one is whole.",
            placeholder="7",
        ),
        Field(
            name="backup_folder",
            label="Folder",
            note="On a memory stick or another disk, they outlive this machine's: name a folder on"
            " it, `/media/usb1/mmconnect`, that is not there when the stick is not.",
            placeholder="backups, in the data directory",
        ),
    ),
)
