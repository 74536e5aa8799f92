"""What the tests of store and service share: people, rows, and child processes that end with the test."""

import asyncio
import atexit
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.model import Reason, Suppression
from consentmilter.store import suppressions
from consentmilter.store.databases import database
from consentmilter.store.writer import Store

T = TypeVar("T")

KEYS = {"1": b"check value of key 1"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def person(number: int) -> bytes:
    """A subject key."""
    return number.to_bytes(16)


def suppressed(number: int, scope: str = "*", reason: Reason = Reason.UNSUBSCRIBE) -> Suppression:
    return Suppression(person(number), scope, reason, "test", NOON)


def put(*numbers: int) -> Callable[[AsyncConnection], Coroutine[Any, Any, None]]:
    """A job that suppresses these people."""

    async def job(connection: AsyncConnection) -> None:
        for number in numbers:
            await suppressions.put(connection, suppressed(number))

    return job


async def subjects(connection: AsyncConnection) -> set[bytes]:
    """A job that says who is suppressed."""
    return set(await connection.scalars(sa.text("SELECT subject FROM suppression")))


async def counted(url: str) -> set[int]:
    """Have two stores count and then add a person, 20 times each at once, and say who is there."""

    async def job(connection: AsyncConnection) -> None:
        number = len(await subjects(connection))
        await asyncio.sleep(0.001)  # for the other one to come between, if anything lets it
        await put(number)(connection)

    async with Store.open(url, KEYS) as one, Store.open(url, KEYS) as other:
        await asyncio.gather(*(store.write(job) for store in (one, other) * 20))
        return {int.from_bytes(subject) for subject in await one.read(subjects)}


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work, which must end within a minute."""

    async def bounded() -> T:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(bounded())


def make_store(directory: Path, name: str = "consent.db") -> str:
    """The URL of a new store in `directory`, which knows `KEYS`."""
    shutil.copy(_migrated(), directory / name)
    return f"sqlite:///{directory / name}"


@cache
def _migrated() -> Path:
    """A store that was migrated once for all: to do so for each test takes longer than many a test."""
    from consentmilter.store.migrate import migrate, record_keys  # slow to load, for children that migrate nothing

    directory = Path(tempfile.mkdtemp(prefix="store-"))
    atexit.register(shutil.rmtree, directory)
    url = f"sqlite:///{directory / 'consent.db'}"
    migrate(url)
    record_keys(url, KEYS)
    return directory / "consent.db"


def seen(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What a connection that has nothing to do with ours sees: the rows of a statement."""
    return [tuple(row) for row in database(url).look(lambda connection: connection.exec_driver_sql(statement).all())]


@contextmanager
def shell(path: Path) -> Iterator[sqlite3.Connection]:
    """The database as the sqlite3 shell opens it: with no care for lock, schema or keys."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def child(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs a script of the test's and is killed if it outlives the test."""
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finished(process: subprocess.Popen[str]) -> str:
    """What a child printed that ended well, within half a minute."""
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return out


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
