"""What mmconnect asks of phones: the apps' own servers. Nothing else in `phones` connects out."""
