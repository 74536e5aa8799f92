"""What is kept for a time goes when the time is over, and nothing else does."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consentmilter.config import Config
from consentmilter.errors import StoreError
from consentmilter.model import ConsentState, Reason
from consentmilter.service import holds, retention, rights
from consentmilter.service.retention import Pruned, Terms, preview, prune
from consentmilter.service.suppressions import held, history
from consentmilter.store import retention as statements
from consentmilter.store.retention import Kind
from consentmilter.store.sqlite.lock import held as locked
from consentmilter.store.writer import Store
from tests.service.people import (
    ALICE,
    HAND,
    Databases,
    address,
    asked,
    consented,
    databases,
    failed,
    journalled,
    listed,
    named,
    opened,
    opt_out,
    wrote,
)
from tests.store.stores import KINDS
from tests.store.support import NOON, person, run

DAY = timedelta(days=1)
LONG_AGO = NOON - 400 * DAY
AFTER = NOON + 3 * DAY


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store, unless it says on which."""
    return str(request.param)


@pytest.fixture
def site(url: str) -> Databases:
    return databases(url)


def terms(site: Databases, *kinds: Kind, before: datetime = AFTER) -> Terms:
    """These kinds, or all, are old before that time; all others are kept for ever."""
    return Terms({kind: before if not kinds or kind in kinds else None for kind in Kind}, site.journal)


def removed(done: list[Pruned]) -> dict[Kind, tuple[int, int]]:
    """How much went and how much was kept back, where there was anything."""
    return {each.kind: (each.removed, each.kept) for each in done if each.removed or each.kept}


async def old_in_every_way(store: Store, site: Databases, number: int) -> None:
    """Have a record of each kind about the person that is old by now, and one that lasts."""
    await opt_out(store, number, "acme", expires=NOON + DAY)
    await opt_out(store, number, "*", Reason.COMPLAINT)
    await wrote(store, number)
    await failed(store, number, day=int(LONG_AGO.timestamp()) // 86400)
    await asked(store, number, LONG_AGO)
    journalled(site, number, at=LONG_AGO)


EVERY = {
    Kind.JOURNAL: (1, 0),
    Kind.EXPIRED: (1, 0),
    Kind.REVIEWS: (1, 0),
    Kind.BOUNCES: (1, 0),
    Kind.CONFIRMATIONS: (1, 0),
    Kind.EVIDENCE: (2, 0),
}


def test_what_is_too_old_goes_and_the_preview_says_so_before(site: Databases) -> None:
    """Of each kind; the opt-out that has no end stays, and so does every entry of the ledger."""

    async def scene() -> None:
        async with opened(site) as store:
            await old_in_every_way(store, site, 1)
            before = site.everything()
            foreseen = await preview(store, terms(site))
            assert site.everything() == before
            assert await prune(store, terms(site), ALICE, now=lambda: AFTER) == foreseen
            assert removed(foreseen) == EVERY
            assert [row.reason for row in await held(store, [person(1)])] == [Reason.COMPLAINT]
            assert len(await history(store, [person(1)])) == 2

    run(scene())
    assert site.verdicts() == []
    assert [site.rows(f"SELECT * FROM {table}") for table in ("review", "confirmation", "soft_bounce")] == [[], [], []]
    assert site.rows("SELECT 1 FROM ledger_evidence WHERE CAST(data AS TEXT) LIKE '%x.example%'") == []
    site.refuse_altered()


def test_each_removal_has_its_entry_in_the_ledger(site: Databases) -> None:
    """With what it was, of before which time, and how much."""

    async def scene() -> None:
        async with opened(site) as store:
            await old_in_every_way(store, site, 1)
            await prune(store, terms(site), ALICE, now=lambda: AFTER)

    run(scene())
    query = "SELECT data ->> 'kind', count, data ->> 'before', actor, source FROM ledger JOIN ledger_evidence e "
    entries = site.rows(f"{query} ON e.ledger_id = id WHERE action = 'prune' ORDER BY id")
    assert entries == [(kind, count, AFTER.isoformat(), "alice", "cli") for kind, (count, _) in EVERY.items()]


@pytest.mark.parametrize("endless", Kind)
def test_of_a_kind_without_a_term_everything_is_kept(site: Databases, endless: Kind) -> None:
    """And of the others nothing is kept for its sake."""

    async def scene() -> None:
        async with opened(site) as store:
            await old_in_every_way(store, site, 1)
            others = [each for each in Kind if each is not endless]
            done = await prune(store, terms(site, *others), ALICE, now=lambda: AFTER)
            assert removed(done) == {each: EVERY[each] for each in others}
            assert next(each.before for each in done if each.kind is endless) is None

    run(scene())


def test_what_is_not_old_yet_stays(site: Databases) -> None:
    """To the last row, and the ledger says nothing."""

    async def scene() -> None:
        async with opened(site) as store:
            await old_in_every_way(store, site, 1)
            before = site.everything()
            done = await prune(store, terms(site, before=LONG_AGO), ALICE, now=lambda: AFTER)
            assert removed(done) == {}
            assert site.everything() == before

    run(scene())


@pytest.mark.parametrize("keeping", ["hold", "restriction"])
def test_what_must_be_kept_of_a_person_is_kept_back_and_counted(site: Databases, keeping: str) -> None:
    """A legal hold, or a restriction, keeps every kind, for that person and no other, until it ends."""

    async def scene() -> None:
        async with opened(site) as store:
            for number in (1, 2):
                await old_in_every_way(store, site, number)
            if keeping == "hold":
                await holds.hold(store, named(1), ALICE, cause="Reader v. Acme", now=lambda: AFTER)
            else:
                await rights.restrict(store, named(1), rights.Hand(ALICE, "disputed", now=lambda: AFTER))
            foreseen = await preview(store, terms(site))
            done = await prune(store, terms(site), ALICE, now=lambda: AFTER)
            assert removed(done) == removed(foreseen) == {kind: (count, count) for kind, (count, _) in EVERY.items()}
            assert not any(each.removed for each in await prune(store, terms(site), ALICE, now=lambda: AFTER))
            everything = str(site.everything())
            assert address(1) in everything
            assert address(2) not in str(site.rows("SELECT data FROM ledger_evidence"))
            if keeping == "hold":
                await holds.release(store, named(1), ALICE, evidence="settled", now=lambda: AFTER)
                assert removed(await prune(store, terms(site), ALICE, now=lambda: AFTER)) == EVERY

    run(scene())


def test_mail_that_nobody_has_read_is_never_too_old(site: Databases) -> None:
    """Somebody asked for something."""

    async def scene() -> None:
        async with opened(site) as store:
            await wrote(store, 1, read=False)
            assert removed(await prune(store, terms(site), ALICE)) == {}

    run(scene())
    assert site.rows("SELECT id FROM review") == [("id1",)]


def test_entries_of_hash_lists_go_after_their_end(site: Databases) -> None:
    """Those without one stay."""

    async def scene() -> None:
        async with opened(site) as store:
            await listed(store, 1, expires=NOON)
            await listed(store, 2)
            assert removed(await prune(store, terms(site), ALICE)) == {Kind.EXPIRED: (1, 0)}

    run(scene())
    assert site.rows("SELECT count(*) FROM hash_suppression") == [(1,)]


@pytest.mark.parametrize(("state", "kept"), [(ConsentState.GRANTED, True), (ConsentState.WITHDRAWN, False)])
def test_what_proves_a_consent_that_holds_is_kept(site: Databases, state: ConsentState, kept: bool) -> None:
    """Whoever mails on the strength of it must be able to show it; of one that was withdrawn the proof goes."""

    async def scene() -> None:
        async with opened(site) as store:
            await consented(store, 2, ConsentState.GRANTED)
            await rights.rectify(store, named(2), named(1), HAND)
            await consented(store, 1, state)
            done = await prune(store, terms(site), ALICE, now=lambda: AFTER)
            assert removed(done)[Kind.EVIDENCE] == ((3, 1) if kept else (4, 0))
            grants = [each for each in await history(store, [person(1)]) if each.action == "grant"]
            assert [bool(each.evidence and each.evidence.data) for each in grants] == [kept]

    run(scene())


def test_more_than_one_chunk_goes_in_chunks_and_others_write_in_between(
    site: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is free between two of them: whoever waits for it gets it before the prune is over."""
    monkeypatch.setattr(retention, "RECORDS_AT_ONCE", 3)

    async def scene() -> None:
        async with opened(site) as store, opened(site) as other:
            for number in range(8):
                await opt_out(store, number, expires=NOON + DAY)
            order: list[str] = []
            waiting: list[asyncio.Task[None]] = []

            def told(kind: Kind, rows: int) -> None:
                order.append(f"{kind} {rows}")
                if len(order) == 1:
                    waiting.append(asyncio.create_task(click(other, order)))

            await prune(store, terms(site, Kind.EXPIRED), ALICE, progress=told)
            await asyncio.gather(*waiting)
            assert sorted(order) == sorted(["expired 3", "expired 3", "expired 2", "click"])
            assert order[-1] != "click"

    async def click(other: Store, order: list[str]) -> None:
        await opt_out(other, 100)
        order.append("click")

    run(scene())
    assert site.rows("SELECT count FROM ledger WHERE action = 'prune' ORDER BY id") == [(3,), (3,), (2,)]
    assert site.rows("SELECT count(*) FROM suppression") == [(1,)]


def test_a_prune_that_was_cut_short_is_completed_by_the_next(site: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went before is gone and told, what was left goes later."""
    monkeypatch.setattr(retention, "RECORDS_AT_ONCE", 3)

    def cut(_kind: Kind, _rows: int) -> None:
        raise KeyboardInterrupt

    async def scene() -> None:
        async with opened(site) as store:
            for number in range(8):
                await opt_out(store, number, expires=NOON + DAY)
            chosen = terms(site, Kind.EXPIRED)
            with pytest.raises(KeyboardInterrupt):
                await prune(store, chosen, ALICE, progress=cut)
            assert removed(await prune(store, chosen, ALICE)) == {Kind.EXPIRED: (5, 0)}

    run(scene())
    assert site.rows("SELECT sum(count) FROM ledger WHERE action = 'prune'") == [(8,)]


def test_a_suppression_that_was_asserted_again_meanwhile_stays(
    site: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at again when it goes, and then it holds."""
    found = statements.find

    async def found_and_asserted(connection: Any, *arguments: Any) -> Any:
        keys = await found(connection, *arguments)
        if keys:
            async with opened(site) as other:
                await opt_out(other, 1)
        return keys

    monkeypatch.setattr(statements, "find", found_and_asserted)

    async def scene() -> None:
        async with opened(site) as store:
            await opt_out(store, 1, expires=NOON + DAY)
            assert removed(await prune(store, terms(site, Kind.EXPIRED), ALICE)) == {}
            assert len(await held(store, [person(1)])) == 1

    run(scene())


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_store_that_is_locked_is_told_and_nothing_is_removed(site: Databases) -> None:
    """Like any other change."""

    async def scene() -> None:
        async with Store.open(site.url, {}, lock_timeout=0.2) as store:
            await opt_out(store, 1, expires=NOON + DAY)
            with locked(site.files[0], 1), pytest.raises(StoreError, match="locked"):
                await prune(store, terms(site, Kind.EXPIRED), ALICE)

    run(scene())
    assert site.rows("SELECT count(*) FROM suppression") == [(1,)]


def test_ten_thousand_verdicts_go_in_several_steps(site: Databases) -> None:
    """And a person's verdicts among them, who is under a hold, stay."""
    journalled(site, *([1] * 9_990), *([2] * 20), at=LONG_AGO)

    async def scene() -> None:
        async with opened(site) as store:
            await holds.hold(store, named(2), ALICE, cause="Reader v. Acme")
            done = await prune(store, terms(site, Kind.JOURNAL), ALICE)
            assert removed(done) == {Kind.JOURNAL: (9_990, 20)}

    run(scene())
    assert {subject for _, subject in site.verdicts()} == {person(2)}
    assert len(site.verdicts()) == 20
    assert site.rows("SELECT sum(count), count(*) FROM ledger WHERE action = 'prune'") == [(9_990, 2)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, {"journal": 365, "expired": 30, "reviews": 90, "bounces": 90, "confirmations": 30, "evidence": None}),
        ({"journal": None, "expired": "1d"}, {"journal": None, "expired": 1}),
        ({"evidence": "3650d", "reviews": "36500d"}, {"evidence": 3650, "reviews": 20_513}),
    ],
)
def test_the_terms_are_those_of_the_configuration(said: Mapping[str, Any], expected: Mapping[str, int | None]) -> None:
    """In days, and never from before the epoch."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    found = Terms.of(Config(retention=said), "sqlite:////journal.db", now).before  # type: ignore[arg-type]  # pydantic
    days = {kind: None if before is None else (now - before).days for kind, before in found.items()}
    assert {Kind(kind): length for kind, length in expected.items()}.items() <= days.items()


def test_bounces_that_the_intake_still_counts_are_never_too_old() -> None:
    """A window that is longer than the term wins."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    said = {"retention": {"bounces": "10d"}, "intake": {"soft_bounce_window": "60d"}}
    assert Terms.of(Config.model_validate(said), "", now).before[Kind.BOUNCES] == now - timedelta(days=60)
