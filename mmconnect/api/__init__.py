"""The REST API at /v1: each operation is declared once, and the document is made from that."""
