"""deploy/systemd: the units that import what others drop, and fetch what lies elsewhere."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from consentmilter.config import Config
from lab.directory import public_directory
from lab.milter import PROGRAM
from tests.docs.pages import page, table
from tests.docs.units import DIRECTORY, settings, tool

UNITS = [f"consentmilter-{name}" for name in ("import.service", "import.path", "fetch.service", "fetch.timer")]
IMPORT, PATH, FETCH = (settings(name) for name in UNITS[:3])
SERVICE = settings("consentmilter.service")

MOST_EXPOSURE = 1.5
OWN_NETWORK = 1.0
"""What the score rises by for a service that has the network, as systemd weighs it."""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units in a directory, with programs that exist, since systemd looks for them."""
    for name in UNITS:
        text = (DIRECTORY / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={PROGRAM}", text, flags=re.MULTILINE))
    return tmp_path


@pytest.fixture
def root() -> Iterator[Path]:
    """A root directory in which the users and the directories have been made."""
    with public_directory("root-") as path:
        for directory in ("etc", "var/spool/postfix", "var/lib"):
            (path / directory).mkdir(parents=True)
        (path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        (path / "etc" / "group").write_text("root:x:0:\npostfix:x:117:\n")
        for name in ("consentmilter", "consentmilter-import"):
            for command in (
                ("systemd-sysusers", f"--root={path}", DIRECTORY / f"{name}.sysusers.conf"),
                ("systemd-tmpfiles", f"--root={path}", "--create", DIRECTORY / f"{name}.tmpfiles.conf"),
            ):
                done = tool(*command)
                assert done.returncode == 0, done.stderr
        yield path


def exposure(unit: Path) -> float:
    """The score that systemd prints for a service: 0 is best, 10 worst."""
    done = tool("systemd-analyze", "security", "--offline=yes", unit)
    score = re.search(rf"Overall exposure level for {unit.name}: (\d+\.\d+)", done.stdout)
    assert score, done.stdout + done.stderr
    return float(score[1])


def test_systemd_takes_the_units_of_import_and_fetch(installed: Path) -> None:
    """No unknown key, no value that is ignored."""
    done = tool("systemd-analyze", "verify", "--man=no", *sorted(installed.iterdir()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", UNITS)
def test_a_setting_that_systemd_does_not_know_would_be_noticed_in_each(installed: Path, name: str) -> None:
    """The test above can fail."""
    unit = installed / name
    unit.write_text(re.sub(r"^(\[(Service|Path|Timer)\])$", r"\1\nWorng=yes", unit.read_text(), flags=re.MULTILINE))
    assert "Worng" in tool("systemd-analyze", "verify", "--man=no", *sorted(installed.iterdir())).stderr


def test_the_import_is_hardly_exposed(installed: Path) -> None:
    """As little as the milter; the fetching has the network besides."""
    assert exposure(installed / "consentmilter-import.service") <= MOST_EXPOSURE
    assert exposure(installed / "consentmilter-fetch.service") <= MOST_EXPOSURE + OWN_NETWORK


def test_the_import_can_write_the_store_and_its_directories_and_nothing_else() -> None:
    """A file is moved between two directories of one entry: between two mounts it could only be copied."""
    store = Path(Config().store.url.removeprefix("sqlite:///")).parent
    [watched] = PATH["PathChanged"]
    *_, done, incoming = IMPORT["ExecStart"][0].split()
    assert incoming == watched == IMPORT["ConditionDirectoryNotEmpty"][0] == FETCH["ExecStart"][0].split()[-1]
    assert Path(done).parent == Path(incoming).parent
    assert IMPORT["ReadWritePaths"] == [f"{store} {Path(done).parent}"]
    assert FETCH["ReadWritePaths"] == [incoming]


def test_the_import_runs_as_the_service_does() -> None:
    """What it makes in the store belongs to the same user, under the same restrictions."""
    own = {
        "Type",
        "ExecStart",
        "SuccessExitStatus",
        "Nice",
        "SupplementaryGroups",
        "ReadWritePaths",
        "SystemCallFilter",
    }
    same = set(IMPORT) - own - {"Description", "After", "ConditionDirectoryNotEmpty"}
    assert {name: IMPORT[name] for name in same} == {name: SERVICE.get(name) for name in same}
    assert IMPORT["SystemCallFilter"] == SERVICE["SystemCallFilter"][:2]


def test_the_fetching_has_no_right_to_the_list() -> None:
    """It is another user, in the group of those who drop files only, and sees neither store nor keys."""
    assert FETCH["DynamicUser"] == ["yes"]
    assert FETCH["SupplementaryGroups"] == ["consentmilter-import"]
    assert {"-/var/lib/consentmilter", "-/etc/consentmilter"} == set(FETCH["InaccessiblePaths"][0].split())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_directories_of_the_import_are_made_as_the_page_says(root: Path) -> None:
    """docs/export.md has a table of owners and modes."""
    for path, owner, group, mode, _what in table(page("export.md"), "path", "owner", "group", "mode", "what"):
        status = (root / path.strip("`/")).stat()
        names = (_name(root, "passwd", status.st_uid), _name(root, "group", status.st_gid))
        assert (*names, f"{stat.S_IMODE(status.st_mode):04o}") == (owner, group, mode), path


def _name(root: Path, database: str, number: int) -> str:
    """The name of a user or group of the root directory."""
    lines = (root / "etc" / database).read_text().splitlines()
    return next(line.split(":")[0] for line in lines if line.split(":")[2] == str(number))
