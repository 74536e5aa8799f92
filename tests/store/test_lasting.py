"""Which changes wait until they are on the disk of the server, and of its synchronous standby."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.writer import Store
from tests.store.support import KEYS, run


@pytest.fixture(params=["postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """With SQLite all of them do."""
    return str(request.param)


async def _wait_for_disks(connection: AsyncConnection) -> None:
    """As servers do that nobody has told otherwise; the tests' does not."""
    await connection.execute(text("SET synchronous_commit = on"))


async def _setting(connection: AsyncConnection) -> str:
    return str(await connection.scalar(text("SHOW synchronous_commit")))


def test_a_change_waits_for_the_disk_unless_a_later_one_does(url: str) -> None:
    """Also when the one before did not: what is set for one does not stay on the connection."""

    async def scene() -> list[str]:
        async with Store.open(url, KEYS) as store:
            await store.write(_wait_for_disks)
            return [await store.write(_setting, lasting=lasting) for lasting in (True, False, True)]

    assert run(scene()) == ["on", "off", "on"]
