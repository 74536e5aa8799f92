"""File systems that a database may lie on."""

from pathlib import Path

import pytest

from consentmilter.errors import StoreSetupError
from consentmilter.store.journal import Journal
from consentmilter.store.migrate import migrate
from consentmilter.store.reader import Reader
from consentmilter.store.sqlite import mounts
from consentmilter.store.sqlite.mounts import file_system, is_network
from consentmilter.store.writer import Store
from tests.store.support import KEYS, person, run

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:40 / /srv/mail rw,relatime shared:9 master:1 - nfs4 filer:/mail rw,vers=4.2
41 40 0:41 / /srv/mail/local rw - xfs /dev/vdb rw
42 22 0:42 / /home/with\\040space rw - cifs //win/share rw
43 22 0:43 / /twice rw - tmpfs tmpfs rw
44 22 0:44 / /twice rw - fuse.sshfs me@host: rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/consentmilter", "ext4"),
        ("/srv/mail", "nfs4"),
        ("/srv/mail/consent.db", "nfs4"),
        ("/srv/mail/local/consent.db", "xfs"),
        ("/srv/mailbox/consent.db", "ext4"),
        ("/home/with space/consent.db", "cifs"),
        ("/twice/consent.db", "fuse.sshfs"),
    ],
)
def test_the_deepest_and_latest_mount_point_counts(path: str, kind: str) -> None:
    """As the kernel resolves it; /srv/mailbox does not lie below /srv/mail."""
    assert file_system(Path(path), MOUNTINFO) == kind


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.glusterfs", "lustre"]
)
def test_network_file_systems_are_known(kind: str) -> None:
    """Through the kernel or through FUSE."""
    assert is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "fuse.mergerfs", ""])
def test_local_file_systems_are_let_be(kind: str) -> None:
    """What is not known to be remote is taken for local."""
    assert not is_network(kind)


@pytest.fixture
def on_nfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the kernel say that everything lies on NFS."""
    told = tmp_path / "mountinfo"
    told.write_text("22 1 0:40 / / rw,relatime - nfs4 filer:/root rw\n")
    monkeypatch.setattr(mounts, "MOUNTINFO", told)


async def _open(url: str) -> None:
    async with Store.open(url, KEYS):
        pass


def test_no_way_in_opens_a_database_on_a_network_file_system(
    url: str, journal_url: str, on_nfs: None, tmp_path: Path
) -> None:
    """Store, reader, journal and migrations all refuse, and say what to do."""
    for attempt in (
        lambda: run(_open(url)),
        lambda: Reader(url, KEYS, 2.0).look_up([person(1)]),
        lambda: Journal(journal_url, on_trouble=print),
        lambda: migrate(url),
        lambda: migrate(f"sqlite:///{tmp_path / 'new.db'}"),
    ):
        with pytest.raises(StoreSetupError, match=r"network file system \(nfs4\).*local disk"):
            attempt()
    assert not (tmp_path / "new.db").exists()
