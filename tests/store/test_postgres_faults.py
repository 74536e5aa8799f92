"""A server that goes, comes back, freezes or changes sides: what is acknowledged is there, and nobody restarts us."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import StoreBusyError, StoreError, StoreUnsureError
from consentmilter.store.journal import Journal, read_journal
from consentmilter.store.postgres import opening, sessions
from consentmilter.store.writer import Job, Store
from lab.postgres import PostgreSql
from lab.proxy import Fault, Proxy
from tests.store.stores import POSTGRES
from tests.store.support import KEYS, counted, person, put, run, seen, subjects, wait_for
from tests.store.test_journal import ROW


@pytest.fixture
def url() -> str:
    """The URL of a store on the server."""
    return POSTGRES.database()


@pytest.fixture
def proxy(postgres_server: PostgreSql) -> Iterator[Proxy]:
    """What stands between us and the server."""
    with Proxy(postgres_server.port) as proxy:
        yield proxy


def through(proxy: Proxy, url: str) -> str:
    """The same store, through the proxy."""
    return url.replace(f":{POSTGRES.server.port}/", f":{proxy.port}/")


def restart(server: PostgreSql) -> None:
    server.stop()
    server.start()


async def _across_a_restart(url: str, server: PostgreSql) -> set[bytes]:
    """Who is suppressed after a restart between two changes, with eight connections of before it idle."""
    async with Store.open(url, KEYS) as store:
        await store.write(put(1))
        await asyncio.gather(*(store.read(subjects) for _ in range(8)))
        await asyncio.to_thread(restart, server)
        await store.write(put(2))
        return (await asyncio.gather(*(store.read(subjects) for _ in range(8))))[-1]


def test_a_restart_between_two_changes_is_not_noticed(url: str, postgres_server: PostgreSql) -> None:
    """Every connection from before it is replaced by the first that is found dead."""
    assert run(_across_a_restart(url, postgres_server)) == {person(1), person(2)}


def test_without_a_second_attempt_it_is(url: str, postgres_server: PostgreSql, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which shows that the test above can fail."""
    monkeypatch.setattr(sessions, "is_stale", lambda *_: False)
    with pytest.raises(StoreError, match=r"terminating connection|closed the connection|connection is lost"):
        run(_across_a_restart(url, postgres_server))


def test_a_server_that_is_away_is_told_and_found_again(url: str, postgres_server: PostgreSql) -> None:
    """No change of the time without it happens later."""

    async def scene() -> None:
        async with Store.open(url, KEYS, lock_timeout=2.0) as store:
            await store.write(put(1))
            await asyncio.to_thread(postgres_server.stop)
            for work in (store.write(put(2)), store.read(subjects)):
                with pytest.raises(StoreError, match="Connection refused"):
                    await work
            await asyncio.to_thread(postgres_server.start)
            await store.write(put(3))
            assert await store.read(subjects) == {person(1), person(3)}

    run(scene())


def _and_then(job: Job[None], deed: Callable[[], None]) -> Job[None]:
    """The job, and a deed between its last statement and the commit."""

    async def work(connection: AsyncConnection) -> None:
        await job(connection)
        await asyncio.to_thread(deed)

    return work


@pytest.mark.parametrize(("fault", "there"), [(Fault.SWALLOW_SERVER, {person(1)}), (Fault.RESET, set())])
def test_a_commit_without_an_answer_says_that_nobody_knows(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fault: Fault, there: set[bytes]
) -> None:
    """Whether the server has heard the COMMIT or not, the caller is told the same; the next change goes through."""
    monkeypatch.setattr(sessions, "COMMIT", 0.5)

    async def scene() -> None:
        async with Store.open(through(proxy, url), KEYS) as store:
            with pytest.raises(StoreUnsureError, match="during a commit, which may have happened or not"):
                await store.write(_and_then(put(1), lambda: proxy.mode(fault)))
            proxy.mode(Fault.PASS)
            assert await store.read(subjects) == there
            await store.write(put(2))
            assert await store.read(subjects) == there | {person(2)}

    run(scene())


def test_a_connection_lost_within_a_change_undoes_it(url: str, proxy: Proxy) -> None:
    """What was begun is not begun again by itself: the job may have done other things."""

    async def lost(connection: AsyncConnection) -> None:
        await put(1)(connection)
        await asyncio.to_thread(proxy.mode, Fault.RESET)
        await put(2)(connection)

    async def scene() -> None:
        async with Store.open(through(proxy, url), KEYS) as store:
            with pytest.raises(StoreError) as caught:
                await store.write(lost)
            assert not isinstance(caught.value, StoreUnsureError)
            proxy.mode(Fault.PASS)
            assert await store.read(subjects) == set()
            await store.write(put(3))

    run(scene())


def test_a_silent_server_is_given_up_in_time(url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen or cut off: it leaves no error to see. What waits meanwhile is answered too, and nothing happens later."""
    monkeypatch.setattr(opening, "MARGIN", 0.3)

    async def scene() -> None:
        async with Store.open(through(proxy, url) + "?connect_timeout=2", KEYS, lock_timeout=0.3) as store:
            await store.write(put(1))
            proxy.mode(Fault.SWALLOW)
            works = [store.write(put(2)), store.write(put(3)), store.read(subjects)]
            outcomes = await asyncio.gather(*works, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [StoreBusyError] * 3
            proxy.mode(Fault.PASS)
            await store.write(put(4))
            assert await store.read(subjects) == {person(1), person(4)}

    run(scene())


def test_a_server_that_has_become_a_standby_is_left_alone(url: str, postgres_server: PostgreSql) -> None:
    """It says so on connections from before too; once it takes changes again, they go through."""

    def take_changes(yes: bool) -> None:
        postgres_server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'off' if yes else 'on'}")
        postgres_server.execute("SELECT pg_reload_conf()")
        shown = "off" if yes else "on"
        wait_for(lambda: postgres_server.execute("SHOW default_transaction_read_only") == [(shown,)])

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(1))
            await asyncio.to_thread(take_changes, False)
            try:
                with pytest.raises(StoreError, match=r"read-only|takes no changes"):
                    await store.write(put(2))
            finally:
                await asyncio.to_thread(take_changes, True)
            await store.write(put(3))
            assert await store.read(subjects) == {person(1), person(3)}

    run(scene())


def test_a_commit_that_no_standby_has_is_not_acknowledged(url: str, postgres_server: PostgreSql) -> None:
    """Where one is to have it: whoever ends the wait makes the server say success, and warn."""
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

    def standby(name: str) -> None:
        postgres_server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        postgres_server.execute("SELECT pg_reload_conf()")
        wait_for(lambda: postgres_server.execute("SHOW synchronous_standby_names") == [(name,)])

    def end_the_wait() -> None:
        wait_for(lambda: postgres_server.execute(waiting))
        postgres_server.execute(f"SELECT pg_cancel_backend(pid) FROM ({waiting}) AS them")

    async def patient(connection: AsyncConnection) -> None:
        await connection.execute(sa.text("SET LOCAL synchronous_commit = on"))
        await put(1)(connection)

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await asyncio.to_thread(standby, "away")
            try:
                change = asyncio.create_task(store.write(patient))
                await asyncio.to_thread(end_the_wait)
                with pytest.raises(StoreUnsureError, match="was committed, but canceling wait for synchronous replica"):
                    await change
            finally:
                await asyncio.to_thread(standby, "")
            await store.write(put(2))

    run(scene())


def test_without_the_writers_lock_changes_get_between_each_other(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which shows that the test of what a change has read can fail."""
    monkeypatch.setattr(opening, "_lock", lambda: "SELECT 1")
    assert run(counted(url)) != set(range(40))


def test_the_journal_goes_on_after_a_restart(url: str, postgres_server: PostgreSql) -> None:
    """What came in meanwhile is written then."""
    troubles: list[str] = []
    journal = Journal(url, troubles.append)
    journal.put(ROW)
    wait_for(lambda: read_journal(url))
    postgres_server.stop()
    journal.put(ROW)
    wait_for(lambda: troubles)
    postgres_server.start()
    wait_for(lambda: len(read_journal(url)) == 2)
    journal.close()
    assert ["rows lost: 0" in trouble for trouble in troubles] == [True] * len(troubles)


def test_a_frozen_process_does_not_keep_the_lock(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends its transaction, which it is told when it goes on; the others do not wait for it."""
    monkeypatch.setattr(opening, "_IDLE", 0.3)

    async def scene() -> None:
        async with Store.open(url, KEYS) as frozen, Store.open(url, KEYS) as other:
            begun, go_on = asyncio.Event(), asyncio.Event()

            async def freeze(connection: AsyncConnection) -> None:
                await put(1)(connection)
                begun.set()
                await go_on.wait()

            change = asyncio.create_task(frozen.write(freeze))
            await begun.wait()
            await other.write(put(2))
            go_on.set()
            with pytest.raises(StoreError):
                await change
            assert await other.read(subjects) == {person(2)}
            await frozen.write(put(3))

    run(scene())
    assert len(seen(url, "SELECT subject FROM suppression")) == 2
