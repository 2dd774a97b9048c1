"""The browser side. For now: health, readiness and a plain status page."""
