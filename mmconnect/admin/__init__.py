"""The browser side: the pages of the owner, and probes for machines."""
