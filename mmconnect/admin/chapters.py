"""What the help says of looking after the appliance: updates, backups, and where everything is.

Data alone. In a command `{…}` stands for a property of Installed (admin/upkeep.py), so that it
reads as it has to be typed here; FILE and ADDRESS are for the reader to fill in.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmconnect.admin.trouble import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing to know or to do."""

    title: str
    says: str
    code: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A page of the help."""

    name: str
    """In its path: /help/NAME."""
    title: str
    says: str
    """What it is for, in the list of the help."""
    words: str
    """What else people call it."""
    parts: tuple[Part, ...]


CHAPTERS = (
    Chapter(
        name="backups",
        title="Backup and restore",
        says="What is made by itself, where it lies, and how texts come back, here or on another"
        " machine.",
        words="copy restore move moving stick usb disk card fails litestream replica export",
        parts=(
            Part(
                title="Every night, by itself",
                says="About three o'clock, when something has changed since the last one. It is"
                " checked, and the last 7 are kept, unless you set it otherwise. When one cannot be"
                " made, the overview and the alert URL say why.",
                links=(("Schedule and backups", "/settings/backup"),),
            ),
            Part(
                title="In another place",
                says="Beside the data they help against a mistake, not against a card that fails."
                " Choose a folder on a stick or another disk, or download one now and then. The"
                " folder has to be there, and mmconnect has to be allowed to write in it: for the"
                " service of the system that takes `ReadWritePaths=-` and the folder, under"
                " `[Service]` in its unit.",
                code="{edit}",
                links=(("Choose a folder", "/settings/backup#schedule"),),
            ),
            Part(
                title="Bring one back",
                says="*Restore* shows what a backup holds before anything is replaced, and keeps"
                " what was there. When the pages do not open any more, a shell on the machine does"
                " the same:",
                code="{restore}",
                links=(("Restore a backup", "/settings/backup#restore"),),
            ),
            Part(
                title="Onto another machine",
                says="Install mmconnect there, and restore a backup: it has texts, phones,"
                " endpoints, secrets, the password, and the certificate that phones trust. Let only"
                " one of the two run, as both would send what waits. With the old address phones go"
                " on as they are; else the overview says which have to be told.",
            ),
            Part(
                title="What nobody should find",
                says="A backup is not encrypted, and has everything in it. What you erase here is"
                " in older backups until they go.",
            ),
        ),
    ),
    Chapter(
        name="updates",
        title="Updates",
        says="How you hear of a new version, taking it, and the way back.",
        words="upgrade version new release downgrade migrate security fix changelog install",
        parts=(
            Part(
                title="Somebody has to look",
                says="mmconnect asks nobody whether there is a newer version, and nobody can push"
                " one onto it. The page *Releases*, where you have it from, has a feed; or look"
                " twice a year. A release that mends a hole says so in its first line.",
                code="{mm} version",
            ),
            Part(
                title="Take it",
                says="With the new file in the directory where you type; the one file has to be"
                " called `mmconnect` there, and be executable. Texts in flight are finished or put"
                " back, phones that are turned away meanwhile come again, and receivers notice"
                " nothing.",
                code="{update}",
            ),
            Part(
                title="Before it changes the database",
                says="A newer version copies it first, to `before-schema-N.db` among the backups,"
                " and keeps the last three. When there is no room for that, it does not start, says"
                " so, and has changed nothing.",
                links=(("Backups on this machine", "/settings/backup#kept"),),
            ),
            Part(
                title="The way back",
                says="An older version refuses a database that a newer one has changed. Install the"
                " older one, and put that copy in place; what came since is kept beside it.",
                code="{go_back}",
            ),
            Part(
                title="The rest of the machine",
                says="What is inside a package, the one file or a container (Python, OpenSSL,"
                " SQLite) is mended by a new version alone. For everything else leave the system's"
                " own updates on.",
            ),
        ),
    ),
    Chapter(
        name="machine",
        title="The machine and the service",
        says="Where everything is, how it is started and stopped, and what the machine needs.",
        words="install service systemd start stop restart log journal data directory options port"
        " firewall address uninstall remove purge location files",
        parts=(
            Part(
                title="Start, stop, and how it is",
                says="As a service it starts with the machine, and again whenever it ends or stands"
                " still. A stop lets what is in flight finish.",
                code="{state}\n{restart}",
            ),
            Part(
                title="Its log",
                says="One line for each attempt that failed and for each change of health. Secrets,"
                " tokens and texts are in none.",
                code="{log}",
            ),
            Part(
                title="Ports and options",
                says="Where it listens, and a certificate of your own, are options of the process;"
                " everything else is set on these pages. After a change it has to be restarted."
                " Pages are at port 8480, phones push to 8481, over HTTPS to 8482, and the pages"
                " are at 8483 then, unless you chose others: a firewall has to let these in from"
                " your network, and a router none of them from outside.",
                code="{mm} serve --help",
                links=(("Names, proxy, HTTPS", "/settings/network"),),
            ),
            Part(
                title="An address that stays",
                says="Reserve this machine's address in your router (DHCP reservation): phones push"
                " to it. When it changes all the same, the overview names the phones to tell.",
            ),
            Part(
                title="What wears out",
                says="Each text waits for the disk once, so a quick card (A1 or A2), or a USB disk,"
                " is felt. A Pi's clock stands still without power, and is set from the network;"
                " until then nothing expires and nothing is deleted. The doctor looks at disk,"
                " clock, power supply and memory.",
                links=(
                    ("Let the doctor look", "/help/doctor"),
                    ("Backup and restore", "/help/backups"),
                ),
            ),
            Part(
                title="Remove it",
                says="Texts and settings stay in the data directory, until you delete that, too.",
                code="{remove}",
            ),
        ),
    ),
)
