"""Why a signature matches, or exactly why it does not: for the CLI, the check-up and the UI.

Pure: `diagnose()` takes what a receiver has (secrets, raw body, headers, the time) and gives one
finding per signature header. What it names is proven: a signature over the body, key or headers
changed in exactly that way is the one that came. The words are for the person who owns the secret;
a receiver must not send them to whoever asked.
"""

from mmconnect.webhook.diagnosis.findings import HEADERS, TOLERANCE, Diagnosis, Finding, Reason
from mmconnect.webhook.diagnosis.judge import diagnose

__all__ = ["HEADERS", "TOLERANCE", "Diagnosis", "Finding", "Reason", "diagnose"]
