"""A small application for workers under test, instead of consentmilter.milter.application.

It stamps each message with its process, the configured mode and the number of its runtime. Files in the directory that
APPLICATION_DIRECTORY names steer it, and tell what it did:

    refuse      `build` refuses, with the file's text as the reason
    die         `build` ends the process
    break       `build` raises what nobody expects
    slow-close  `close` takes half a second
    misled      sessions ask for macros as pymilter 1.0.5 does, which fails
    opened-PID-N, closing-PID-N, closed-PID-N
                what became of runtime number N of that process
"""

import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import Milter

from consentmilter import log
from consentmilter.errors import KeyFileError

DIRECTORY = Path(os.environ["APPLICATION_DIRECTORY"])
STAMP = "X-Stamp"

_numbers = itertools.count(1)


@dataclass
class Runtime:
    mode: str
    number: int
    closed: bool = False

    def stamp(self) -> str:
        """What a message that met this runtime carries; using one that is closed is the fault to be found."""
        if self.closed:
            raise RuntimeError("a closed runtime was used")
        return f"{os.getpid()} {self.mode} {self.number}"


def build(config_json: str) -> Runtime:
    log.configure("json")
    if (DIRECTORY / "refuse").exists():
        raise KeyFileError((DIRECTORY / "refuse").read_text())
    if (DIRECTORY / "die").exists():
        os._exit(7)
    if (DIRECTORY / "break").exists():
        raise ZeroDivisionError("a fault in build")
    runtime = Runtime(json.loads(config_json)["mode"], next(_numbers))
    _note("opened", runtime)
    return runtime


def session(current: Callable[[], Runtime]) -> Milter.Base:
    return Session(current)


def close(runtime: Runtime) -> None:
    runtime.closed = True
    _note("closing", runtime)
    if (DIRECTORY / "slow-close").exists():
        time.sleep(0.5)
    _note("closed", runtime)


def _note(what: str, runtime: Runtime) -> None:
    (DIRECTORY / f"{what}-{os.getpid()}-{runtime.number}").touch()


class Session(Milter.Base):
    def __init__(self, current: Callable[[], Runtime]) -> None:
        self.current = current

    def setsymlist(self, stage: int, *macros: str) -> None:
        # pymilter 1.0.5 hands bytes to a C function that takes str, and answers the TypeError with "all options".
        text = " ".join(macros)
        self._ctx.setsymlist(stage, text.encode() if (DIRECTORY / "misled").exists() else text)

    @Milter.symlist("{daemon_name} {client_addr}")
    def connect(self, hostname: str, family: int, hostaddr: Any) -> int:
        return Milter.CONTINUE

    def envfrom(self, sender: str, *params: str) -> int:
        self.runtime = self.current()
        return Milter.CONTINUE

    def envrcpt(self, rcpt: str, *params: str) -> int:
        if rcpt == "<exception@test.example>":
            raise RuntimeError("as asked")
        return Milter.CONTINUE

    def header(self, name: str, value: str) -> int:
        return Milter.CONTINUE

    def eom(self) -> int:
        self.addheader(STAMP, self.runtime.stamp())
        return Milter.CONTINUE
