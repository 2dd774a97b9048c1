"""mmconnect: your own software is called the moment a text arrives."""

__version__ = "0.1.0"
