"""The examples of docs/commands.md: run them as they stand on the page, and write what comes out into it.

    python -m tests.cli.transcripts

A block marked `console` has commands behind `$`, for a shell, each with its output below it and, behind `#`, its exit
code if that is not 0. All run one after the other on the site that the page's first YAML block configures.
"""

import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import yaml

from tests.cli.installation import PROGRAM, Installation, run_as_seen, words_of

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"

FILES = {
    "opted-out.csv": "email,reason,date\n"
    "reader@example.net,unsubscribe,2026-03-14\n"
    "ana.silva@example.org,complaint,2025-11-02\n"
    "b.okafor at example.com,unsubscribe,2026-05-09\n"
    ".lists.example.com,objection,2026-04-04\n",
    "opted-in.csv": "email,at,confirmed,evidence\n"
    'ana.silva@example.org,2026-01-11,yes,"link of <81@forms.example.com>"\n'
    "c.tanaka@example.com,2026-01-12,perhaps,\n",
    "wrong-list.txt": "friend@example.net\n.lists.example.com\n",
    "letter.eml": "From: Acme <news@acme.example>\nSubject: This week\n\nHello.\n",
    "patch.eml": "From: Acme <security@acme.example>\nX-Consent-Stream: acme.security\nSubject: Patch\n\nHello.\n",
}
"""The files that the examples use."""

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^\$ (.*?)(?:  # exit code (\d+))?\n((?:(?!\$ ).*\n)*)", re.MULTILINE)

_PASSING = (
    (r"\b[0-9a-f]{64}\b", "DIGEST"),
    (r"\b[0-9a-f]{32}\b", "KEY"),
    (r"\b[0-9a-f]{16}\b", "BATCH"),
    (r"\b[a-z2-7]{52}\b", "TOKEN"),
    (r"\bAQAA[\w-]{20,}", "CURSOR"),
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"\d\d:\d\d(:\d\d)?(\.\d+)?", "TIME"),
    (r'"pid": \d+', "PID"),
)
"""What differs from one run to the next."""

_NOT_AS_INSTALLED = re.compile(r"^note: the files belong to who ran this.*\n", re.MULTILINE)
"""What is said where the service's user is missing, as on the machines that tests run on."""


@dataclass(frozen=True)
class Step:
    """One command of the page, how it has to end, and what it prints."""

    command: str
    code: int
    output: str

    def __str__(self) -> str:
        return f"$ {self.command}{f'  # exit code {self.code}' if self.code else ''}\n{self.output}"

    @property
    def lasting(self) -> str:
        """The output without what passes."""
        text = self.output
        for pattern, name in _PASSING:
            text = re.sub(pattern, name, text)
        return text


def steps(page: str) -> list[Step]:
    """Every command of the page."""
    return [step for block in _BLOCK.findall(page) for step in _in_block(block)]


def rewritten(page: str, done: list[Step]) -> str:
    """The page with these outputs."""
    left = iter(done)
    return _BLOCK.sub(lambda match: f"```console\n{''.join(str(next(left)) for _ in _in_block(match[1]))}```", page)


def replayed(page: str, directory: Path) -> list[Step]:
    """Every command of the page as it turns out now, on a site in the directory."""
    [first, *_] = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    socket = {"socket": f"unix:{directory}/milter.sock", "socket_group": None}
    site = Installation(directory, {**yaml.safe_load(first), "milter": socket})
    for name, content in FILES.items():
        site.file(name, content)
    script = site.file("consentmilter", f'#!/bin/sh\nexec {PROGRAM} --config {site.config_file} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return [Step(step.command, *_run(site, step.command)) for step in steps(page)]


def _in_block(block: str) -> list[Step]:
    found = [Step(match[1], int(match[2] or 0), match[3]) for match in _STEP.finditer(block)]
    assert "".join(map(str, found)) == block, f"this is no transcript: {block}"
    return found


def _run(site: Installation, command: str) -> tuple[int, str]:
    words = words_of(command)
    code, output = _in_shell(site, command) if words is None else _in_process(site, words)
    return code, _installed(_NOT_AS_INSTALLED.sub("", output), site)


def _in_process(site: Installation, words: list[str]) -> tuple[int, str]:
    """What takes no shell runs in this process: to start the program for each would take a minute."""
    with contextlib.chdir(site.directory), patch.dict(os.environ, SUDO_USER="alice", COLUMNS="80"):
        return run_as_seen("--config", site.config_file, *words)


def _in_shell(site: Installation, command: str) -> tuple[int, str]:
    environment = {**os.environ, "PATH": f"{site.directory}:{os.environ['PATH']}", "SUDO_USER": "alice"}
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}" if command == "consentmilter run" else command],
        cwd=site.directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output = "".join(_lines(process))
        return process.wait(60), output
    finally:
        process.kill()
        process.communicate()


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """What the process prints; one that would run for ever is told to stop as soon as it is ready."""
    assert process.stdout is not None
    for line in process.stdout:
        yield line
        if '"event": "ready"' in line:
            process.send_signal(signal.SIGTERM)


def _installed(output: str, site: Installation) -> str:
    """The output as on a system where everything is in its usual place."""
    places = {
        site.config_file: "/etc/consentmilter/consentmilter.yaml",
        site.keys: "/etc/consentmilter/keys.yaml",
        site.store.parent: "/var/lib/consentmilter",
        site.directory / "milter.sock": "/var/spool/postfix/consentmilter/milter.sock",
    }
    for path, usual in places.items():
        output = output.replace(str(path), usual)
    assert str(site.directory) not in output, output
    return output


def main() -> None:
    """Write the outputs of now into the page."""
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as directory:
        done = replayed(page, Path(directory))
    for step in done:
        sys.stderr.write(f"{step.code} {step.command}\n")
    PAGE.write_text(rewritten(page, done), encoding="utf-8")


if __name__ == "__main__":
    main()
