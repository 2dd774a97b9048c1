"""The way in: phones push texts to the listener, and they are stored before the answer."""
