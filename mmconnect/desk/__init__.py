"""What an owner can do and see, whoever asks: the pages, the API, the command line."""
