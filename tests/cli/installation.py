"""A site in a directory, and the commands of consentmilter on it: in this process, or the installed program."""

import contextlib
import io
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from consentmilter.cli import main

PROGRAM = Path(sys.executable).with_name("consentmilter")

SITE: dict[str, Any] = {
    "mode": "enforce",
    "unsubscribe": {"url": "https://u.example.com", "mailto": "unsubscribe@example.com"},
    "organisations": {"acme": {"title": "Acme Ltd"}},
    "streams": {
        "acme.newsletter": {"title": "Weekly newsletter"},
        "acme.security": {"category": "security-patch", "title": "Security patches"},
    },
    "classify": [
        {"login": "newsletter", "stream": "acme.newsletter"},
        {"login": "release-bot", "stream": "acme.security"},
        {"header": {"X-Consent-Stream": "acme.security"}, "allow": {"login": "alice"}, "stream": "acme.security"},
        {"header": {"X-Consent-Stream": "acme.newsletter"}, "stream": "acme.newsletter"},
    ],
}
"""Two streams, known by login or by header; only alice may claim the exempt one."""


@dataclass(frozen=True)
class Done:
    """What a command did: its exit code, what it printed, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Installation:
    """The files of one site, below `directory`."""

    def __init__(self, directory: Path, config: Mapping[str, Any] | None = None) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.config_file = directory / "consentmilter.yaml"
        self.keys = directory / "keys.yaml"
        self.store = directory / "state" / "consent.db"
        self.journal = directory / "state" / "journal.db"
        self.configure(**(SITE if config is None else config))

    def configure(self, **config: Any) -> None:
        """Write the configuration anew."""
        places = {"store": {"url": f"sqlite:///{self.store}"}, "keys": {"file": str(self.keys)}}
        self.config_file.write_text(yaml.safe_dump({**places, **config}, sort_keys=False), encoding="utf-8")

    def begin_as(self, made: "Installation") -> "Installation":
        """Have the keys and the databases of another site, as they are now."""
        shutil.copy(made.keys, self.keys)
        shutil.copytree(made.store.parent, self.store.parent)
        return self

    def file(self, name: str, content: str | bytes) -> Path:
        """A file beside the site's."""
        path = self.directory / name
        path.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
        return path

    def run(self, *words: object, given: bytes = b"", code: int | None = 0) -> Done:
        """A command in this process, with `given` on its standard input; `code` is how it has to end."""
        done = run("--config", self.config_file, *words, given=given)
        assert code is None or done.code == code, done
        return done

    def program(
        self, *words: object, given: bytes = b"", code: int | None = 0, environment: Mapping[str, str] | None = None
    ) -> Done:
        """A command of the installed program."""
        done = program("--config", self.config_file, *words, given=given, environment=environment)
        assert code is None or done.code == code, done
        return done

    def rows(self, query: str = "SELECT hex(subject), scope, reason FROM suppression ORDER BY 1, 2, 3") -> list[Any]:
        """What the store holds."""
        with closing(sqlite3.connect(self.store, timeout=5)) as database:
            return database.execute(query).fetchall()

    def alter(self, statement: str) -> None:
        """Change the store as no part of the program does."""
        with closing(sqlite3.connect(self.store, timeout=5)) as database, database:
            database.execute(statement)


def run(*words: object, given: bytes = b"") -> Done:
    """`consentmilter WORDS` in this process, on streams of its own."""
    out, err = io.BytesIO(), io.BytesIO()
    code = _in_process(words, given, out, err)
    return Done(code, out.getvalue().decode(), err.getvalue().decode())


def run_as_seen(*words: object) -> tuple[int, str]:
    """`consentmilter WORDS` in this process: its exit code, and all that it prints in the order of a terminal."""
    seen = io.BytesIO()
    code = _in_process(words, b"", seen, seen)
    return code, seen.getvalue().decode()


def _in_process(words: Iterable[object], given: bytes, out: io.BytesIO, err: io.BytesIO) -> int:
    streams: dict[str, Any] = {
        "stdin": io.TextIOWrapper(io.BytesIO(given), "utf-8"),
        "stdout": io.TextIOWrapper(out, "utf-8", write_through=True),
        "stderr": io.TextIOWrapper(err, "utf-8", write_through=True),
    }
    argv = ["consentmilter", *map(str, words)]
    with patch.multiple(sys, argv=argv, **streams), pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


def words_of(line: str) -> list[str] | None:
    """The words of a shell's line that is one command of consentmilter; None if it takes a shell, or a process."""
    words = [] if set(line) & set("|&;<>()$`\\*?~#") else shlex.split(line)
    return words[1:] if words[:1] == ["consentmilter"] and words[1:] != ["run"] else None


def program(
    *words: object, given: bytes = b"", environment: Mapping[str, str] | None = None, user: int | None = None
) -> Done:
    """`consentmilter WORDS` as a process."""
    done = subprocess.run(
        [PROGRAM, *map(str, words)],
        input=given,
        capture_output=True,
        timeout=100,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


class _Failing(MetaPathFinder):
    """Finds one module only, and fails then."""

    def __init__(self, name: str, error: BaseException) -> None:
        self._name = name
        self._error = error

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == self._name:
            raise self._error


def failing_import(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> None:
    """Have the next import of a module fail."""
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Failing(name, error), *sys.meta_path])


@contextlib.contextmanager
def started(*words: object, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The program, running; it is gone in the end."""
    process = subprocess.Popen([PROGRAM, *map(str, words)], **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
