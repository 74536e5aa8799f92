"""deploy/systemd: units that systemd takes, that are tight, and under which the program works."""

import grp
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from consentmilter.config import Config
from consentmilter.supervisor.supervisor import LEFT, UNREACHABLE, WRONG_CONFIG
from lab.directory import public_directory
from lab.errors import LabError
from lab.milter import PROGRAM, Milter
from lab.mta import Mta
from lab.process import Process
from tests.docs.pages import ROOT, page, table
from tests.docs.units import DIRECTORY, allowed_calls, settings, tool

SERVICE = settings("consentmilter.service")
SOCKET = settings("consentmilter.socket")

MOST_EXPOSURE = 1.5

BIND = """
import os
import sys
from pathlib import Path
from consentmilter.supervisor.address import Place, UnixAddress
from consentmilter.supervisor.listener import Listener
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[3]))
Listener.bind(Place(UnixAddress(Path(sys.argv[1])), group=sys.argv[2]))
"""
"""What the child does that has given up root for the service's user: bind the milter socket."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units in a directory, with a program that exists, since systemd looks for it."""
    for name in ("consentmilter.service", "consentmilter.socket"):
        text = (DIRECTORY / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={PROGRAM}", text, flags=re.MULTILINE))
    return tmp_path


@pytest.fixture
def root() -> Iterator[Path]:
    """A root directory in which the user and the directories of deploy/systemd have been made."""
    with public_directory("root-") as path:
        for directory in ("etc", "var/spool/postfix", "var/lib"):
            (path / directory).mkdir(parents=True)
        (path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        (path / "etc" / "group").write_text(f"root:x:0:\npostfix:x:{_group('postfix')}:\n")
        for command in (
            ("systemd-sysusers", f"--root={path}", DIRECTORY / "consentmilter.sysusers.conf"),
            ("systemd-tmpfiles", f"--root={path}", "--create", DIRECTORY / "consentmilter.tmpfiles.conf"),
        ):
            done = tool(*command)
            assert done.returncode == 0, done.stderr
        yield path


def test_systemd_takes_the_units(installed: Path) -> None:
    """No unknown key, no value that is ignored."""
    done = tool("systemd-analyze", "verify", "--man=no", *sorted(installed.iterdir()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_setting_that_systemd_does_not_know_would_be_noticed(installed: Path) -> None:
    """The test above can fail."""
    with (installed / "consentmilter.service").open("a") as file:
        file.write("ProtectSytem=strict\n")
    assert "ProtectSytem" in tool("systemd-analyze", "verify", "--man=no", *sorted(installed.iterdir())).stderr


@pytest.mark.parametrize("network", [False, True], ids=["as it is", "with network.conf"])
def test_the_service_is_hardly_exposed(installed: Path, network: bool) -> None:
    """As systemd itself scores it: 0 is best, 10 worst."""
    if network:
        shutil.copytree(DIRECTORY / "consentmilter.service.d", installed / "consentmilter.service.d")
    assert _exposure(installed) <= MOST_EXPOSURE


def test_a_service_without_its_hardening_would_be_noticed(installed: Path) -> None:
    """The score depends on what the unit says."""
    unit = installed / "consentmilter.service"
    unit.write_text(re.sub(r"^(Protect|Restrict|SystemCall|Capability).*\n", "", unit.read_text(), flags=re.MULTILINE))
    assert _exposure(installed) > MOST_EXPOSURE


def test_the_service_is_stopped_in_the_way_that_loses_no_session() -> None:
    """TERM to the supervisor alone, and time for the longest drain that the defaults allow."""
    assert SERVICE["KillMode"] == ["mixed"]
    assert SERVICE["Type"] == ["notify"]
    assert SERVICE["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert int(SERVICE["TimeoutStopSec"][0]) > Config().milter.drain + 10


def test_only_a_wrong_configuration_keeps_the_service_down() -> None:
    """A store that is away may come back; a key that is misspelt stays so."""
    assert SERVICE["Restart"] == ["always"]
    assert SERVICE["RestartPreventExitStatus"] == [str(WRONG_CONFIG)]
    assert WRONG_CONFIG not in (LEFT, UNREACHABLE)


def test_the_service_can_write_where_the_defaults_need_it_and_nowhere_else() -> None:
    """The directory of the store and the one of the socket."""
    writable = {path.removeprefix("-") for path in SERVICE["ReadWritePaths"][0].split()}
    store = Path(Config().store.url.removeprefix("sqlite:///"))
    assert writable == {str(store.parent), str(_socket_path().parent)}
    assert SERVICE["ProtectSystem"] == ["strict"]


def test_the_socket_unit_makes_the_socket_that_the_defaults_would() -> None:
    """Postfix notices no difference."""
    assert SOCKET["ListenStream"] == [str(_socket_path())]
    assert int(SOCKET["SocketMode"][0], 8) == Config().milter.socket_mode
    assert SOCKET["SocketGroup"] == [Config().milter.socket_group]


@needs_root
def test_the_directories_are_made_as_the_page_says(root: Path) -> None:
    """docs/operations.md has a table of owners and modes."""
    for path, owner, group, mode, _what in table(page("operations.md"), "path", "owner", "group", "mode", "what"):
        there = root / path.strip("`/")
        if not there.suffix:
            status = there.stat()
            names = (_name(root, "passwd", status.st_uid), _name(root, "group", status.st_gid))
            assert (*names, f"{stat.S_IMODE(status.st_mode):04o}") == (owner, group, mode), path


@needs_root
def test_the_service_can_give_its_socket_to_postfix_without_any_right(root: Path) -> None:
    """Neither root nor a member of Postfix's group: the directory hands the group down."""
    owner = (root / "var" / "lib" / "consentmilter").stat().st_uid
    path = root / "var" / "spool" / "postfix" / "consentmilter" / "milter.sock"
    done = subprocess.run(
        [sys.executable, "-c", BIND, str(path), "postfix", str(owner)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status = path.stat()
    assert (status.st_uid, status.st_gid) == (owner, _group("postfix"))
    assert stat.S_IMODE(status.st_mode) == 0o660


@needs_root
def test_the_program_works_under_the_restrictions_of_the_unit() -> None:
    """It serves, journals and reloads: without capabilities or network, with the unit's system calls only."""
    config = {"mode": "enforce", "streams": {"acme.news": {}}, "classify": [{"mail_from": "*", "stream": "acme.news"}]}
    with _restricted_milter(SERVICE["SystemCallFilter"], config) as milter:
        milter.suppress("bob@example.org")
        with Mta(milter.socket) as mta:
            mta.connect()
            mta.mail("<news@acme.example>")
            mta.rcpt("<bob@example.org>").expects(550, "opted out")
            mta.rcpt("<ann@example.org>").expects(250)
            mta.eom().expects(250)
        milter.journal(1)
        milter.reload()


@needs_root
def test_a_system_call_that_the_unit_forgot_would_be_noticed() -> None:
    """Without chown the milter socket cannot be given to Postfix's group, and the service says so and ends."""
    without = [line for line in SERVICE["SystemCallFilter"] if line != "@chown"]
    assert len(without) == len(SERVICE["SystemCallFilter"]) - 1
    with pytest.raises(LabError, match="listen_failed"), _restricted_milter(without, {}):
        pytest.fail("it serves")


@needs_root
@pytest.mark.parametrize(
    "forbidden",
    [
        "import socket; socket.socket(socket.AF_INET)",
        "import os; os.chroot('/')",
        "import os; os.setpriority(os.PRIO_PROCESS, 0, 1)",
        "import os; os.chown('/etc/passwd', 1, 1)",
        "import ctypes, mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
    ],
)
def test_the_restrictions_are_in_force(forbidden: str) -> None:
    """The test above would prove nothing otherwise."""
    if "mmap" in forbidden and _kernel() < (6, 3):
        pytest.skip("prctl(PR_SET_MDWE) came with Linux 6.3")
    done = subprocess.run(
        [*_restricted(SERVICE["SystemCallFilter"]), sys.executable, "-c", forbidden],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"PermissionError|OSError", done.stderr)


@contextmanager
def _restricted_milter(call_filter: list[str], config: dict[str, Any]) -> Iterator[Milter]:
    """The service under the unit's restrictions, in a directory that hands down Postfix's group as the unit's does."""
    with public_directory() as directory:
        os.chown(directory, 0, _group("postfix"))
        directory.chmod(0o2755)
        milter = Milter(directory, config=config)
        command = [*_restricted(call_filter), *milter.process.arguments]
        milter.process = Process(command, name="consentmilter", directory=ROOT)
        with milter:
            yield milter


def _restricted(call_filter: list[str]) -> list[str]:
    """What stands before a command to run it as the unit would."""
    calls = ",".join(sorted(allowed_calls(call_filter)))
    families = SERVICE["RestrictAddressFamilies"][0].replace(" ", ",")
    network = ["unshare", "--net"] if SERVICE["PrivateNetwork"] == ["yes"] else []
    if subprocess.run([*network, "true"], capture_output=True, timeout=60, check=False).returncode != 0:
        pytest.skip("no new network namespace can be made here")
    assert SERVICE["CapabilityBoundingSet"] == SERVICE["AmbientCapabilities"] == [""]
    capabilities = ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    return [*network, *capabilities, sys.executable, "-m", "tests.docs.sandbox", calls, families]


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])


def _exposure(directory: Path) -> float:
    """The score that systemd prints for the service in this directory."""
    done = tool("systemd-analyze", "security", "--offline=yes", directory / "consentmilter.service")
    score = re.search(r"Overall exposure level for consentmilter.service: (\d+\.\d+)", done.stdout)
    assert score, done.stdout + done.stderr
    return float(score[1])


def _socket_path() -> Path:
    return Path(Config().milter.socket.removeprefix("unix:"))


def _group(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def _name(root: Path, database: str, number: int) -> str:
    """The name of a user or group of the root directory."""
    lines = (root / "etc" / database).read_text().splitlines()
    return next(line.split(":")[0] for line in lines if line.split(":")[2] == str(number))
