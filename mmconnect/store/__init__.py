"""What mmconnect remembers: one SQLite file, and the only place with SQL."""
