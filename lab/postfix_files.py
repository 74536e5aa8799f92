"""The files that a private Postfix stands on: main.cf, master.cf and the queue's directories.

Everything lies below one directory; nothing of the system's own Postfix is read or written. Raises `LabError` where
Postfix's user is unknown, and `OSError`.
"""

import grp
import os
import pwd
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError

MAIL_OWNER, SETGID_GROUP = "postfix", "postdrop"

# Modes and owners as in Postfix's own conf/postfix-files.
PRIVATE_QUEUES = (
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "private",
    "saved",
    "trace",
)
DROP_DIRECTORIES = {"maildrop": 0o730, "public": 0o710}

# Service, type, private, unprivileged, chroot, wakeup, process limit, program. Nothing is chrooted: milters and
# sinks are found where the tests see them.
DAEMONS = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Service:
    """One SMTP listener on loopback; its options override main.cf for this listener only."""

    name: str
    port: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    def master_entry(self, port: int) -> str:
        options = {"syslog_name": f"postfix/{self.name}", **self.options}
        lines = [f"127.0.0.1:{port} inet n - n - - smtpd"]
        return "\n".join(lines + [f"  -o {{{name} = {value}}}" for name, value in options.items()])


class PostfixFiles:
    """The directories and files of one private Postfix."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "config"
        self.queue = directory / "queue"
        self.data = directory / "data"
        self.mailboxes = directory / "mailboxes"
        self.log = directory / "maillog"
        self._directory = directory

    def create(self) -> None:
        """Make what is missing, with the owners that Postfix demands."""
        owner, group = _ids()
        for path in (self._directory, self.config, self.queue, self.queue / "pid"):
            path.mkdir(mode=0o755, exist_ok=True)
        for name in PRIVATE_QUEUES:
            _owned(self.queue / name, 0o700, owner, 0)
        for name, mode in DROP_DIRECTORIES.items():
            _owned(self.queue / name, mode, owner, group)
        _owned(self.data, 0o700, owner, 0)
        _owned(self.mailboxes, 0o1777, 0, 0)
        self.log.touch()

    def write_main(self, settings: Mapping[str, str]) -> None:
        own = {
            "queue_directory": str(self.queue),
            "data_directory": str(self.data),
            "mail_spool_directory": str(self.mailboxes),
            # Postfix logs to files below the listed prefixes only.
            "maillog_file_prefixes": str(self._directory),
            "maillog_file": str(self.log),
        }
        _write(self.config / "main.cf", (f"{name} = {value}" for name, value in {**own, **settings}.items()))

    def write_master(self, listeners: Iterable[str], more: Iterable[str]) -> None:
        _write(self.config / "master.cf", [*listeners, DAEMONS.rstrip(), *more])

    def maildrop(self) -> list[Path]:
        """What sendmail(1) has left for pickup(8)."""
        return _files(self.queue / "maildrop")

    def undelivered(self) -> list[Path]:
        """All mail on its way, looked for in the order in which it moves, so that none slips by; held mail is not."""
        return [file for name in ("maildrop", "incoming", "active", "deferred") for file in _files(self.queue / name)]


def unreachable(directory: Path) -> Path | None:
    """The first directory on the way, itself included, that Postfix's user may not enter."""
    owner, _ = _ids()
    group = pwd.getpwuid(owner).pw_gid
    for path in [*reversed(directory.absolute().parents), directory.absolute()]:
        status = path.stat()
        shift = 6 if status.st_uid == owner else 3 if status.st_gid == group else 0
        if not status.st_mode >> shift & 0o1:
            return path
    return None


def _ids() -> tuple[int, int]:
    try:
        return pwd.getpwnam(MAIL_OWNER).pw_uid, grp.getgrnam(SETGID_GROUP).gr_gid
    except KeyError as error:
        raise LabError(f"Postfix is not installed: {error.args[0]}") from None


def _owned(path: Path, mode: int, owner: int, group: int) -> None:
    path.mkdir(exist_ok=True)
    os.chown(path, owner, group)
    path.chmod(mode)


def _files(directory: Path) -> list[Path]:
    """The queue files below a directory; one that moves on while we look is not among them."""
    return [Path(parent, name) for parent, _, names in os.walk(directory) for name in names]


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
    # Postfix does not trust a file younger than two seconds and sleeps until it is older (dict_load_file_xt()).
    long_ago = time.time() - 60
    os.utime(path, (long_ago, long_ago))
