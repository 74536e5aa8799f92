"""The counts of exempt mail: a cap is leased out once, whoever asks, and what was used adds up."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from consentmilter.errors import StoreBusyError, StoreError, StoreSetupError
from consentmilter.store.databases import database
from consentmilter.store.exemptions import ExemptionBook, Use, Used, date_of, day_of, used
from consentmilter.store.schema import CORE
from tests.service.emptied import emptied_store
from tests.store.stores import both_stores
from tests.store.support import KEYS, NOON, child, finished, seen

DAY = day_of(NOON)

LEASE_ALL = """
import sys
from consentmilter.errors import StoreBusyError
from consentmilter.store.exemptions import ExemptionBook
from tests.store.support import KEYS
book, total = ExemptionBook(sys.argv[1], KEYS), 0
while True:
    try:
        granted = book.lease(1, "rule", 7, 500)
    except StoreBusyError:
        continue
    total += granted
    if granted < 7:
        break
print(total)
"""


@pytest.fixture
def url(kind: str, tmp_path: Path) -> str:
    """The URL of an empty store that knows `KEYS`; a database of a server is emptied, and not made, for each test."""
    return emptied_store(kind, tmp_path)


@pytest.fixture
def book(url: str) -> Iterator[ExemptionBook]:
    """The counts of an empty store."""
    with closing(ExemptionBook(url, KEYS)) as book:
        yield book


@both_stores
def test_no_more_is_leased_than_the_cap(book: ExemptionBook) -> None:
    """What is left, and then nothing; what is given back can be had again."""
    assert [book.lease(DAY, "rule", 60, 100) for _ in range(3)] == [60, 40, 0]
    book.give_back(DAY, "rule", 15)
    assert book.lease(DAY, "rule", 60, 100) == 15


def test_each_rule_and_each_day_has_a_cap_of_its_own(book: ExemptionBook) -> None:
    """Nothing is carried over."""
    assert book.lease(DAY, "rule", 10, 10) == 10
    assert book.lease(DAY, "other rule", 10, 10) == 10
    assert book.lease(DAY + 1, "rule", 10, 10) == 10


@both_stores
def test_a_cap_that_was_lowered_below_what_is_used_grants_nothing(book: ExemptionBook) -> None:
    """And takes nothing back."""
    assert book.lease(DAY, "rule", 50, 100) == 50
    assert book.lease(DAY, "rule", 1, 20) == 0
    assert book.lease(DAY, "rule", 60, 100) == 50


def test_processes_that_lease_at_once_get_the_cap_between_them(url: str) -> None:
    """To the last one."""
    with child(LEASE_ALL, url) as one, child(LEASE_ALL, url) as other, child(LEASE_ALL, url) as third:
        assert sum(int(finished(process)) for process in (one, other, third)) == 500


@both_stores
def test_uses_add_up_by_day_category_and_principal(book: ExemptionBook, url: str) -> None:
    """Leases are no uses."""
    book.lease(DAY, "rule", 5, 100)
    book.count({Use(DAY, "security-patch", "release-bot"): 3, Use(DAY, "licence", "shop"): 1})
    book.count({Use(DAY + 2, "security-patch", "release-bot"): 4})
    first, last = date_of(DAY), date_of(DAY + 2)
    assert used(url, None) == [
        Used("licence", "shop", 1, first, first),
        Used("security-patch", "release-bot", 7, first, last),
    ]
    assert used(url, NOON + timedelta(days=1)) == [Used("security-patch", "release-bot", 4, last, last)]
    assert last.isoformat() == "2026-03-03"


@both_stores
def test_a_principal_that_is_no_text_is_counted_escaped(book: ExemptionBook, url: str) -> None:
    """A login comes as the mail server hands it over."""
    book.count({Use(DAY, "licence", "\udcff\0"): 1})
    assert [each.principal for each in used(url, None)] == ["\\udcff\\x00"]


@both_stores
def test_a_change_that_fails_has_not_happened(book: ExemptionBook, url: str) -> None:
    """The lock is not waited for long, and a store with other keys is refused."""

    def meanwhile(_connection: sa.Connection) -> None:
        with pytest.raises(StoreBusyError):
            book.lease(DAY, "rule", 5, 100)

    database(url).change(CORE, meanwhile)
    with closing(ExemptionBook(url, {"1": b"another key"})) as other, pytest.raises(StoreSetupError):
        other.lease(DAY, "rule", 5, 100)
    assert seen(url, "SELECT count(*) FROM exemption_use") == [(0,)]
    assert book.lease(DAY, "rule", 5, 100) == 5


def test_a_store_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It is not made."""
    with pytest.raises(StoreError):
        ExemptionBook(f"sqlite:///{tmp_path / 'none.db'}", KEYS).lease(DAY, "rule", 5, 100)
    assert not list(tmp_path.glob("none.db"))
