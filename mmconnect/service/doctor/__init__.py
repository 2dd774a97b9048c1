"""The doctor: looks at everything that keeps texts from getting through, and says what to do.

One file a subject. Reading (a file of the kernel, a socket, the database) and judging are apart:
what judges is pure. Runs inside the service and beside it, with the service up or down, and with a
damaged database. Invariant: nothing is changed but a probe file without a name; no text is sent,
and no connection is made but to what the owner has entered and to this machine itself.
"""
