"""HTTPS with a certificate of mmconnect's own making, or one that was brought along."""
