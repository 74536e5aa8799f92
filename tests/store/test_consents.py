"""The table of consents: what is put there, and what a withdrawal does not give way to."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.model import Basis, Consent, ConsentState
from consentmilter.store import consents
from consentmilter.store.writer import Store
from tests.service.emptied import emptied_store
from tests.store.stores import both_stores
from tests.store.support import KEYS, NOON, person, run

pytestmark = both_stores

LATER = NOON + timedelta(hours=1)
GRANT = Consent(
    person(1), "acme.news", ConsentState.GRANTED, Basis.CONSENT, NOON, True, "cli:alice", "b", "a@x.example"
)
WITHDRAWAL = replace(GRANT, state=ConsentState.WITHDRAWN, confirmed=False, batch=None)


@pytest.fixture
def url(kind: str, tmp_path: Path) -> str:
    """The URL of an empty store that knows `KEYS`; a database of a server is emptied, and not made, for each test."""
    return emptied_store(kind, tmp_path)


def held(url: str, *rounds: Sequence[Consent], subjects: Sequence[bytes] = (person(1),)) -> list[Consent]:
    """What is held of some people after these rows were put in, each round in a transaction."""

    async def scene() -> list[Consent]:
        async with Store.open(url, KEYS) as store:
            for rows in rounds:

                async def put(connection: AsyncConnection, rows: Sequence[Consent] = rows) -> None:
                    await consents.put(connection, rows)

                await store.write(put)
            return await store.read(lambda connection: consents.of_subjects(connection, subjects))

    return run(scene())


def test_every_field_comes_back(url: str) -> None:
    """Of each stream of a person one row, in the order of the streams."""
    bare = Consent(person(1), "*", ConsentState.REQUESTED, Basis.LEGITIMATE_INTEREST, NOON, False, "click")
    assert held(url, [GRANT, bare, replace(GRANT, subject=person(2))]) == [bare, GRANT]


def test_nothing_is_put_and_nobody_is_asked_for(url: str) -> None:
    """No statement without rows."""
    assert held(url, [], subjects=[]) == []


def test_any_number_of_people_is_read(url: str) -> None:
    """Beyond what one statement takes, and each once."""
    rows = [replace(GRANT, subject=person(number)) for number in range(1201)]
    assert held(url, rows, subjects=[row.subject for row in rows] * 2) == rows


@pytest.mark.parametrize(
    ("first", "then", "stands"),
    [
        (GRANT, replace(GRANT, at=LATER, confirmed=False), 1),
        (replace(GRANT, at=LATER), GRANT, 1),
        (GRANT, WITHDRAWAL, 1),
        (replace(GRANT, at=LATER), WITHDRAWAL, 1),
        (WITHDRAWAL, replace(WITHDRAWAL, at=LATER), 1),
        (WITHDRAWAL, replace(GRANT, at=LATER), 1),
        (WITHDRAWAL, GRANT, 0),
        (replace(WITHDRAWAL, at=LATER), GRANT, 0),
        (WITHDRAWAL, replace(GRANT, state=ConsentState.REQUESTED), 0),
    ],
)
def test_a_withdrawal_gives_way_to_a_later_row_only(url: str, first: Consent, then: Consent, stands: int) -> None:
    """Whatever another node, which has not seen it, wants to write."""
    assert held(url, [first], [then]) == [(first, then)[stands]]


def test_odd_names_are_held_escaped(url: str) -> None:
    """No text from outside undoes a transaction."""
    odd = replace(GRANT, origin="cli:\udcff", address="a\0b@x.example")
    assert held(url, [odd]) == [replace(odd, origin="cli:\\udcff", address="a\\x00b@x.example")]
