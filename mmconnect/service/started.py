"""What a person wants to know once the service is up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmconnect.desk.setup_codes import SetupCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Where everything is, and how much there is of it."""

    phone: list[str]
    """`host:port` where phones reach it."""
    admin: list[str]
    phone_tls: list[str]
    """For HTTPS; empty while there is no certificate, as is `admin_tls`."""
    admin_tls: list[str]
    directory: Path
    devices: int
    endpoints: int
    setup: SetupCode | None = None
    """For the first visit, while there is no administrator."""
    base_path: str = ""
    """Below which the admin side is shown."""

    @property
    def told(self) -> str:
        """In one line."""
        phones = ", ".join([*self.phone, *(f"https://{at}" for at in self.phone_tls)])
        admin = ", ".join([*self.admin, *(f"https://{at}" for at in self.admin_tls)])
        return f"mmconnect is running: phones at {phones}, admin at {admin}"
