"""Temporary directories that a server's own user can enter.

Postfix and other servers drop root for a user of their own; `tempfile` and pytest make directories that only their
maker may enter. Nothing is raised but `OSError`.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def public_directory(prefix: str = "lab-") -> Iterator[Path]:
    """A temporary directory that every user may enter and read; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
