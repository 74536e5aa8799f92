"""Which file system a path lies on, and the refusal of those over a network.

SQLite's WAL needs shared memory between all processes that have the database open, and locks that work; network file
systems give neither (sqlite.org/wal.html, section 1). Raises StoreSetupError.
"""

import re
from pathlib import Path

from consentmilter.errors import StoreSetupError

MOUNTINFO = Path("/proc/self/mountinfo")

NETWORK = frozenset({
    "9p", "acfs", "afs", "afpfs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "gfs", "gfs2", "glusterfs",
    "gpfs", "lustre", "ncp", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb2", "smb3",
    "smbfs", "vboxsf", "vmhgfs", "xtreemfs",
})  # fmt: skip
"""Types in mountinfo whose locks or shared memory are not those of one machine. `fuse.` before a name is ignored."""

NETWORK_FUSE = frozenset({
    "davfs2", "gcsfuse", "goofys", "mount.davfs", "rclone", "s3fs", "smbnetfs", "sshfs", "vmhgfs-fuse",
})  # fmt: skip


def refuse_network(path: Path) -> None:
    """Raise StoreSetupError if `path` lies on a network file system."""
    try:
        mountinfo = MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return  # no /proc, no answer; locks that do not work would show as "database is locked"
    kind = file_system(path.resolve(), mountinfo)
    if is_network(kind):
        raise StoreSetupError(
            f"{path} lies on a network file system ({kind}), where SQLite databases break: "
            "move it to a local disk and change the URL of the store"
        )


def is_network(kind: str) -> bool:
    """Whether a file-system type, as mountinfo names it, works over a network or between machines."""
    return kind in NETWORK or (kind.startswith("fuse.") and kind[5:] in NETWORK | NETWORK_FUSE)


def file_system(path: Path, mountinfo: str) -> str:
    """The type of the file system that holds `path` (absolute, without symbolic links); empty if none is named.

    The deepest mount point above the path counts, and of several at one point the last, which hides the others.
    """
    depth, kind = -1, ""
    for line in mountinfo.splitlines():
        # proc(5): id, parent, device, root, mount point, options, optional fields, "-", type, source, super options.
        before, separator, after = line.partition(" - ")
        if not separator:
            continue
        mount_point = Path(_unescape(before.split(" ")[4]))
        if path.is_relative_to(mount_point) and len(mount_point.parts) >= depth:
            depth, kind = len(mount_point.parts), after.split(" ")[0]
    return kind


def _unescape(text: str) -> str:
    """Undo the octal escapes with which mountinfo writes space, tab, newline and backslash."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
