"""The REST API: comes with the admin UI."""
