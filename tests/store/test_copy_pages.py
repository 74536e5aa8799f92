"""Two tables made equal page by page, whatever stands in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from consentmilter.errors import StoreError
from consentmilter.service import copy_pages
from consentmilter.service.copy_pages import walk
from consentmilter.store.copies import Change, Copied, Digest, Row, Stretch
from consentmilter.store.schema import suppression
from tests.store.copy_making import new_target
from tests.store.stores import POSTGRES, TEMPLATE

TABLE = Copied(suppression)
SCOPES = ("*", "Z", "a", "acme", "acme.news", "ä", "é", "\U00010000", "\uffff")
"""In the order of their octets, which no language sorts them in."""


def row(number: int, origin: str = "test") -> Row:
    return (bytes([number // 9] * 16), SCOPES[number % 9], "manual", origin, None, False, number, None, None, None)


rows = st.dictionaries(st.integers(0, 40), st.sampled_from(["test", "other"]), max_size=30).map(
    lambda found: [row(number, origin) for number, origin in found.items()]
)


class Pair:
    """The same table in two transactions, which end without a trace."""

    def __init__(self, here: sa.Connection, there: sa.Connection) -> None:
        self.here, self.there = here, there

    def fill(self, here: list[Row], there: list[Row]) -> None:
        for connection, rows_ in ((self.here, here), (self.there, there)):
            connection.execute(sa.delete(suppression))
            if rows_:
                connection.execute(sa.insert(suppression).values(rows_))

    def copy(self) -> list[Change]:
        """Make both equal; what it took."""

        def settle(table: Copied, stretch: Stretch, wanted: list[Row], _seen: Change) -> Change:
            return table.replace(self.there, stretch, wanted)

        return [change for _, change in walk(TABLE, lambda job: job(self.here), lambda job: job(self.there), settle)]

    def held(self) -> list[list[Row]]:
        everything = Stretch(None, None)
        return [TABLE.rows(connection, everything) for connection in (self.here, self.there)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory: Path = tmp_path_factory.mktemp("pair")
    there_url = new_target("sqlite", directory, "other.db") if request.param == "sqlite" else of_module(directory.name)
    engines = [sa.create_engine(url) for url in (new_target("sqlite", directory), there_url)]
    with engines[0].connect() as here, engines[1].connect() as there:
        yield Pair(here, there)
    for engine in engines:
        engine.dispose()


def of_module(name: str) -> str:
    """A database that outlasts the test."""
    return POSTGRES.server.make_database(name, TEMPLATE).replace("postgresql:", "postgresql+psycopg:")


@given(here=rows, there=rows, size=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_any_two_tables_become_equal(pair: Pair, here: list[Row], there: list[Row], size: int) -> None:
    """With the rows of the source, and no change where they were equal."""
    pair.fill(here, there)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copy_pages, "ROWS_AT_ONCE", size)
        changes = pair.copy()
        assert pair.held() == [sorted(here, key=TABLE.key)] * 2
        common = {TABLE.key(each) for each in here} & {TABLE.key(each) for each in there}
        assert sum(len(change.added) for change in changes) == len(here) - len(common)
        assert sum(len(change.removed) for change in changes) == len(there) - len(common)
        assert all(change == ([], [], []) for change in pair.copy())


def without_a_cut(_self: Copied, found: list[Row], _stretch: Stretch) -> list[Row]:
    """All of both pages, though one of them goes further."""
    return found


def removing_nothing(self: Copied, connection: sa.Connection, change: Change) -> None:
    """As if the source had lost no row."""
    WRITE(self, connection, change._replace(removed=[]))


WRITE = Copied._write


@pytest.mark.parametrize(("name", "variant"), [("within", without_a_cut), ("_write", removing_nothing)])
def test_a_copy_that_goes_wrong_is_noticed_at_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, name: str, variant: object
) -> None:
    """Each page is read back: no variant of this gets far that would not make both equal."""
    monkeypatch.setattr(copy_pages, "ROWS_AT_ONCE", 3)
    pair.fill([row(number) for number in (1, 5, 6, 7)], [row(number) for number in (1, 2, 3, 4, 9)])
    with monkeypatch.context() as patch:
        patch.setattr(Copied, name, variant)
        with pytest.raises(StoreError, match="does not hold what was written to suppression"):
            pair.copy()
    pair.copy()
    assert pair.held()[0] == pair.held()[1]


def test_a_digest_does_not_depend_on_the_pages() -> None:
    """And on every row, and their order."""
    rows_ = [row(number) for number in range(5)]

    def digest(*pages: list[Row]) -> str:
        made = Digest()
        for page in pages:
            made.add(page)
        return made.hex()

    assert digest(rows_) == digest(rows_[:2], [], rows_[2:])
    assert len({digest(rows_), digest(rows_[1:]), digest(rows_[::-1]), digest([*rows_[1:], row(0, "other")])}) == 4
