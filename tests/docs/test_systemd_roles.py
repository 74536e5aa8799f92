"""deploy/systemd: the service of each role, its socket and its user, in place of the one service for all."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from consentmilter.config import Config
from consentmilter.supervisor.roles import RoleName, SocketName
from lab.milter import PROGRAM
from tests.docs.units import DIRECTORY, allowed_calls, settings, tool
from tests.supervisor.http_client import get
from tests.supervisor.service import COMMAND, Service

TEMPLATE = "consentmilter@.service"
ROLE = settings(TEMPLATE)
ALL = settings("consentmilter.service")

SOCKETS = {
    SocketName.MILTER: "consentmilter@milter.socket",
    SocketName.WEB: "consentmilter@web.socket",
    SocketName.API: "consentmilter-api.socket",
    SocketName.INTAKE: "consentmilter@intake.socket",
}

OF_ITS_OWN = {
    "Description",
    "Requires",
    "ExecStart",
    "User",
    "ReadWritePaths",
    "RuntimeDirectory",
    "RuntimeDirectoryMode",
    "SystemCallFilter",
}
"""In what the two services differ: who it is, and that systemd makes the sockets of the one."""

MOST_EXPOSURE = 1.5

# LISTEN_PID is the id of the process that gets the sockets, so it is set after the fork; and they start at 3.
ACTIVATE = ("bash", "-c", 'exec 3<&"$PASSED"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "activate")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they are installed, with a program that exists."""
    for name in SOCKETS.values():
        shutil.copy(DIRECTORY / name, tmp_path)
    text = (DIRECTORY / TEMPLATE).read_text(encoding="utf-8")
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={PROGRAM}", text, flags=re.MULTILINE)
    for role in RoleName:
        (tmp_path / f"consentmilter@{role}.service").write_text(text)
    return tmp_path


def test_systemd_takes_the_units_of_the_roles(installed: Path) -> None:
    """No unknown key, no value that is ignored, no unit that another one misses."""
    done = tool("systemd-analyze", "verify", "--man=no", *sorted(installed.iterdir()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_socket_would_be_noticed(installed: Path) -> None:
    """The test above can fail."""
    (installed / "consentmilter@web.socket").unlink()
    units = sorted(installed.glob("consentmilter@*"))
    assert "consentmilter@web.socket not found" in tool("systemd-analyze", "verify", "--man=no", *units).stderr


@pytest.mark.parametrize("role", RoleName)
@pytest.mark.parametrize("network", [False, True], ids=["as it is", "with network.conf"])
def test_the_service_of_a_role_is_hardly_exposed(installed: Path, role: RoleName, network: bool) -> None:
    """As systemd itself scores it: 0 is best, 10 worst."""
    unit = f"consentmilter@{role}.service"
    if network:
        shutil.copytree(DIRECTORY / "consentmilter.service.d", installed / f"{unit}.d")
    done = tool("systemd-analyze", "security", "--offline=yes", installed / unit)
    score = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert score, done.stdout + done.stderr
    assert float(score[1]) <= MOST_EXPOSURE


def test_the_two_services_differ_only_where_they_must() -> None:
    """What hardens the one hardens the other, and what keeps sessions keeps them."""
    assert {key for key in ROLE.keys() | ALL.keys() if ROLE.get(key) != ALL.get(key)} == OF_ITS_OWN
    assert set(ALL["SystemCallFilter"]) - set(ROLE["SystemCallFilter"]) == {"@chown"}
    assert ROLE["ExecStart"] == ["/opt/consentmilter/bin/consentmilter run --only %i"]


def test_a_role_can_write_the_store_and_nothing_else() -> None:
    """Not even the directory of its socket, which systemd makes."""
    assert ROLE["ReadWritePaths"] == [str(Path(Config().store.url.removeprefix("sqlite:///")).parent)]
    assert ROLE["Requires"] == ["consentmilter@%i.socket"]


@pytest.mark.parametrize("name", SocketName)
def test_a_socket_has_the_name_by_which_the_service_knows_it(name: SocketName) -> None:
    """And goes to the service of its role: by its own name, or as the unit says."""
    unit = settings(SOCKETS[name])
    assert unit["FileDescriptorName"] == [name]
    assert unit.get("Service", [SOCKETS[name].replace(".socket", ".service")])[0] in {
        f"consentmilter@{role}.service" for role in RoleName
    }


def test_the_sockets_for_postfix_are_its_groups_alone() -> None:
    """As those that the supervisor makes."""
    for name in (SocketName.MILTER, SocketName.INTAKE):
        unit = settings(SOCKETS[name])
        assert unit["SocketGroup"] == [Config().intake.socket_group] == [Config().milter.socket_group]
        assert {int(unit["SocketMode"][0], 8)} == {Config().intake.socket_mode, Config().milter.socket_mode}
    assert settings(SOCKETS[SocketName.MILTER])["ListenStream"] == [Config().milter.socket.removeprefix("unix:")]


def test_the_sockets_of_the_web_side_are_for_this_machine_until_one_says_otherwise() -> None:
    """TLS is the proxy's."""
    for name in (SocketName.WEB, SocketName.API):
        unit = settings(SOCKETS[name])
        assert unit["ListenStream"][0].startswith("127.0.0.1:")
        assert (unit["IPAddressDeny"], unit["IPAddressAllow"]) == (["any"], ["localhost"])


def test_each_role_has_a_user_in_the_group_of_the_store_and_the_keys(tmp_path: Path) -> None:
    """Made after those of consentmilter.sysusers.conf."""
    (tmp_path / "etc").mkdir()
    for name in ("consentmilter.sysusers.conf", "consentmilter-roles.sysusers.conf"):
        done = tool("systemd-sysusers", f"--root={tmp_path}", DIRECTORY / name)
        assert done.returncode == 0, done.stderr
    users = {line.split(":")[0] for line in (tmp_path / "etc" / "passwd").read_text().splitlines()}
    groups = {line.split(":")[0]: line.split(":")[3] for line in (tmp_path / "etc" / "group").read_text().splitlines()}
    expected = {ROLE["User"][0].replace("%i", role) for role in RoleName}
    assert expected <= users
    assert set(groups["consentmilter"].split(",")) == expected
    assert ROLE["Group"] == ["consentmilter"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the network away")
def test_the_web_role_serves_a_socket_of_systemd_without_a_network_of_its_own(tmp_path: Path) -> None:
    """With the unit's system calls and address families only, and without any right."""
    alone = ["unshare", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True, timeout=60, check=False).returncode != 0:
        pytest.skip("no new network namespace can be made here")
    rights = ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    calls, families = ",".join(sorted(allowed_calls(ROLE["SystemCallFilter"]))), ROLE["RestrictAddressFamilies"][0]
    sandbox = [*alone, *rights, sys.executable, "-m", "tests.docs.sandbox", calls, families]
    with socket.create_server(("127.0.0.1", 0)) as listener, Service(tmp_path) as service:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        service.serves(web={"listen": address})
        service.environment |= {"PASSED": str(listener.fileno()), "LISTEN_FDNAMES": "web"}
        service.start((*ACTIVATE, *sandbox, *COMMAND, "web"), pass_fds=(listener.fileno(),)).ready()
        assert get(address).status == 200
        assert service.said("listening")["inherited"] is True
        assert service.stop() == 0
