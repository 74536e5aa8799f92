"""The list is what the ledger leads to: now, and at every time that is past."""

from datetime import datetime, timedelta

import pytest

from consentmilter.model import Consent, Suppression
from consentmilter.service.import_digests import Outcome, compare_imports
from consentmilter.service.rebuilding import Difference, rebuild
from consentmilter.service.timeline import past
from consentmilter.service.verifying import verify
from consentmilter.store import consents, suppressions
from consentmilter.store.writer import Store
from tests.ledger.life import PEOPLE, Life, somebody
from tests.service.by_hand import by_hand, octets
from tests.store.support import KEYS, person, run

KEYS_OF = [key for number in range(PEOPLE) for key in (*somebody(number).keys, *somebody(number).digests)]
STEPS = 40
FORGETS = {"erase"}
"""What takes away times that only the evidence has."""
UNTOLD = {"import hashes", "prune"}
"""Of what these do to a single person, the ledger tells in sums."""

Snapshot = tuple[set[object], set[object]]


async def differences(store: Store) -> list[Difference]:
    return [each async for some in rebuild(store) for each in some.differences]


async def outcomes(store: Store) -> list[Outcome]:
    return [each.outcome async for each in compare_imports(store)]


@pytest.mark.parametrize("seed", range(4))
def test_the_list_is_the_one_that_the_ledger_leads_to(url: str, journal_url: str, seed: int) -> None:
    """After anything, in any order; and its chain holds."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            life = Life(store, journal_url, seed)
            for _ in range(STEPS):
                await life.live(life.dice.choice([*life.ways]))
            assert await differences(store) == []
            assert Outcome.DIFFERENT not in await outcomes(store)
            assert (await verify(store)).fault is None

    run(work())


@pytest.mark.parametrize("seed", range(3))
def test_a_time_that_is_past_is_told_as_it_was(url: str, journal_url: str, seed: int) -> None:
    """What stood after each change is what the ledger says of that hour."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            life = Life(store, journal_url, seed)
            ways = [way for way in life.ways if way not in FORGETS | UNTOLD]
            was: list[tuple[datetime, Snapshot]] = []
            for _ in range(STEPS):
                await life.live(life.dice.choice(ways))
                was.append((life.now + timedelta(minutes=30), await _standing(store, life.now)))
            for at, snapshot in was:
                facts = (await past(store, KEYS_OF, at)).facts
                assert _shown(facts.suppressions, facts.consents, at) == snapshot, at

    run(work())


def test_before_the_first_entry_nothing_stood(url: str, journal_url: str) -> None:
    """Whatever stands now."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            life = Life(store, journal_url, 1)
            for way in life.ways:
                await life.live(way)
            told = await past(store, KEYS_OF, life.now - timedelta(days=30))
            assert (list(told.facts.suppressions), list(told.facts.consents), told.entries) == ([], [], [])

    run(work())


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM suppression",
        "UPDATE suppression SET created = created + 1 WHERE batch IS NULL",
        "UPDATE suppression SET expires = 5",
        "UPDATE suppression SET origin = 'click:mallory'",
        "UPDATE suppression SET scope = scope || '.other'",
        "UPDATE suppression SET asserted_again = true, repeated = 7 WHERE batch IS NULL",
        "UPDATE consent SET state = 'granted' WHERE state = 'withdrawn'",
        "UPDATE consent SET confirmed = NOT confirmed",
        "DELETE FROM consent",
        "INSERT INTO suppression VALUES ({key}, '*', 'manual', 'cli:x', NULL, false, 1, NULL, NULL, NULL)",
        "INSERT INTO suppression VALUES ({key}, '*', 'manual', 'import', 'b', false, 1, NULL, NULL, NULL)",
    ],
)
def test_a_list_that_was_changed_behind_the_ledger_is_noticed(url: str, journal_url: str, statement: str) -> None:
    """Row by row; no chain is over these tables."""

    async def work(*, changed: bool) -> list[Difference]:
        async with Store.open(url, KEYS) as store:
            if not changed:
                life = Life(store, journal_url, 3)
                for way in ("add", "click", "grant", "withdraw", "add", "click"):
                    await life.live(way)
            return await differences(store)

    assert run(work(changed=False)) == []
    with by_hand(url) as hand:
        assert hand.execute(statement.format(key=octets(url, bytes(16)))) > 0
    assert run(work(changed=True)) != []


@pytest.mark.parametrize(
    ("statement", "outcome"),
    [
        (None, Outcome.SAME),
        (
            "UPDATE suppression SET scope = 'acme' WHERE subject = {key}",
            Outcome.DIFFERENT,
        ),
        ("UPDATE suppression SET created = 5 WHERE subject = {key}", Outcome.DIFFERENT),
        ("DELETE FROM suppression WHERE subject = {key}", Outcome.DIFFERENT),
    ],
)
def test_the_rows_of_an_import_are_held_to_the_digest_of_what_was_read(
    url: str, journal_url: str, statement: str | None, outcome: Outcome
) -> None:
    """Where the import made all of them."""

    async def work(way: str | None) -> list[Outcome]:
        async with Store.open(url, KEYS) as store:
            if way:
                await Life(store, journal_url, 3).live(way)
            return await outcomes(store)

    run(work("import again"))
    if statement:
        with by_hand(url) as hand:
            assert hand.execute(statement.format(key=octets(url, person(102)))) == 1
    assert run(work(None)) == [outcome]


def test_an_import_is_comparable_after_a_lift_and_not_after_others_had_their_say(url: str, journal_url: str) -> None:
    """What the lift took is in its entry; what stood before is in the file alone."""

    async def work() -> list[Outcome]:
        async with Store.open(url, KEYS) as store:
            life = Life(store, journal_url, 3)
            await life.live("import")
            await life.live("lift")
            assert await outcomes(store) == [Outcome.SAME]
            await life.live("import")
            return await outcomes(store)

    assert run(work()) == [Outcome.SAME, Outcome.OPEN]


async def _standing(store: Store, now: datetime) -> Snapshot:
    rows = await store.read(lambda connection: suppressions.of_subjects(connection, KEYS_OF))
    agreed = await store.read(lambda connection: consents.of_subjects(connection, KEYS_OF))
    return _shown(rows, agreed, now + timedelta(minutes=30))


def _shown(rows: object, agreed: object, at: datetime) -> Snapshot:
    """What decides; the address does not."""
    assert isinstance(rows, list)
    assert isinstance(agreed, list)
    return (
        {_row(row, at) for row in rows if row.holds(at)},
        {_consent(each) for each in agreed},
    )


def _row(row: Suppression, at: datetime) -> object:
    return row.subject, row.scope, row.reason, row.created, row.origin, row.batch


def _consent(each: Consent) -> object:
    return each.subject, each.stream, each.state, each.basis, each.at, each.confirmed, each.origin, each.batch
