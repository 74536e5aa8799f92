"""What is true of SQLite only: files, locks, engines and the readers' pool.

Trap for whoever works here: never open a database file by other means than SQLite while this process may have it open.
Closing any descriptor of a file drops all POSIX locks that the process holds on it (fcntl(2)), SQLite's included.
`os.stat` is harmless.
"""
