"""The unit files of deploy/systemd as data, and the tools that judge them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

DIRECTORY = ROOT / "deploy" / "systemd"


def settings(name: str) -> dict[str, list[str]]:
    """Every setting of a unit file, in the order of its lines."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", (DIRECTORY / name).read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def tool(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of systemd's tools; that it is missing is a failure, since Debian 12 has all of them."""
    if shutil.which(str(command[0])) is None:
        pytest.fail(f"{command[0]} is not installed; it is part of Debian's package systemd")
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False)


def allowed_calls(lines: list[str]) -> set[str]:
    """The system calls that SystemCallFilter= lines allow (systemd.exec(5)): an allow list, then changes to it."""
    groups = _groups()
    allowed = _expanded("@default", groups)
    for line in lines:
        names = {name for word in line.removeprefix("~").split() for name in _expanded(word, groups)}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def _groups() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    group = ""
    for line in tool("systemd-analyze", "syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            found[group := line.strip()] = []
        elif group and line.startswith("    ") and not line.strip().startswith("#"):
            found[group].append(line.strip())
    return found


def _expanded(name: str, groups: dict[str, list[str]]) -> set[str]:
    if not name.startswith("@"):
        return {name}
    return {call for member in groups[name] for call in _expanded(member, groups)}
