"""The fragments of deploy/postfix, put behind Debian's own main.cf and master.cf as an admin would."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.pages import ROOT

DIRECTORY = ROOT / "deploy" / "postfix"
SITES = sorted(path.name for path in DIRECTORY.iterdir() if path.name != "intake")  # which goes with any of them
DEBIAN = Path("/usr/share/postfix")


@dataclass(frozen=True)
class Service:
    """One entry of master.cf: its name, its type and program, and its -o options."""

    name: str
    kind: str
    program: str
    options: dict[str, str] = field(default_factory=dict)


def text(site: str, name: str) -> str:
    return (DIRECTORY / site / name).read_text(encoding="utf-8")


def settings(site: str) -> dict[str, str]:
    """What the main.cf fragment sets."""
    return dict(re.findall(r"^([\w-]+) = (.*)$", text(site, "main.cf"), re.MULTILINE))


def services(site: str) -> list[Service]:
    """What the master.cf fragment adds."""
    found: list[Service] = []
    for line in text(site, "master.cf").splitlines():
        if option := re.fullmatch(r"  -o (\w+)=(.*)", line):
            found[-1].options[option[1]] = option[2]
        elif line and not line.startswith("#"):
            name, kind, *_, program = line.split()
            found.append(Service(name, kind, program))
    return found


def install(site: str, directory: Path) -> Path:
    """Debian's configuration with the fragments behind it, in `directory`; the configuration directory."""
    config = directory / "config"
    config.mkdir()
    own = f"queue_directory = {directory / 'queue'}\ndata_directory = {directory / 'data'}\n"
    main = "\n".join(line for line in _read("main.cf.debian").splitlines() if not line.startswith("#"))
    (config / "main.cf").write_text(f"{main}\n{own}{text(site, 'main.cf')}")
    (config / "master.cf").write_text(_read("master.cf.dist") + text(site, "master.cf"))
    return config


def run(*command: str | Path) -> tuple[int, str, str]:
    """A tool's exit code and what it printed on both streams; a tool that is missing is an error."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def _read(name: str) -> str:
    return (DEBIAN / name).read_text(encoding="utf-8")
