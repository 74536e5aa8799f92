"""People with addresses, and everything that can be held of them, for the tests of rights, holds and retention."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from consentmilter.chain import COLUMNS, evidence_fault
from consentmilter.hashes import digests
from consentmilter.ledger import Action
from consentmilter.model import Assertion, Basis, Consent, ConsentState, Mode, Reason, Verdict
from consentmilter.service.person import Person
from consentmilter.service.rights import Hand
from consentmilter.service.suppressions import Actor, assert_one, begin_batch
from consentmilter.store import confirmations, consents, reviews, soft_bounces
from consentmilter.store.journal import Journal, JournalRow
from consentmilter.store.migrate import migrate
from consentmilter.store.reviews import Review
from consentmilter.store.schema import JOURNAL
from consentmilter.store.writer import Store
from tests.files import HashAssertion, import_rows
from tests.service.by_hand import file_of, is_sqlite, rows
from tests.store.support import KEYS, NOON, person

ALICE = Actor("alice", "cli")
LATER = NOON + timedelta(days=1)
HAND = Hand(ALICE, "ticket 4711", now=lambda: LATER)
DRY = Hand(ALICE, "ticket 4711", dry_run=True, now=lambda: LATER)

CORE = [
    "suppression",
    "hash_suppression",
    "consent",
    "review",
    "confirmation",
    "soft_bounce",
    "legal_hold",
    "ledger",
    "ledger_evidence",
]


@dataclass(frozen=True)
class Databases:
    """The list and the journal of a site: two files, or one database of a server."""

    url: str
    journal: str

    @property
    def files(self) -> list[Path]:
        return [file_of(url) for url in (self.url, self.journal)]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What the list's database holds."""
        return rows(self.url, query)

    def verdicts(self) -> list[tuple[object, ...]]:
        """Reference and key of each row of the journal."""
        return rows(self.journal, "SELECT ref, subject FROM journal ORDER BY id")

    def everything(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row that can tell of somebody, and the last id that was given out."""
        given = "SELECT seq FROM sqlite_sequence" if is_sqlite(self.url) else "SELECT id FROM ledger_end"
        found = {table: sorted(self.rows(f"SELECT * FROM {table}"), key=str) for table in CORE}
        return found | {"given": self.rows(given), "journal": self.verdicts()}

    def holds_octets(self, text: str) -> bool:
        """Whether a text stands anywhere in the files, in pages that are not in use as well."""
        beside = [path for one in self.files for path in one.parent.glob(f"{one.name}*")]
        return any(text.encode() in path.read_bytes() for path in beside)

    def refuse_altered(self) -> None:
        """Fail unless every entry of the ledger fits its evidence, be it blank or not."""
        columns = ", ".join(f"l.{name}" for name in COLUMNS)
        query = f"SELECT {columns}, e.salt, e.data FROM ledger l LEFT JOIN ledger_evidence e ON e.ledger_id = l.id"
        for *entry, salt, data in self.rows(query):
            assert evidence_fault(entry, salt, data if data is None else str(data)) is None, entry


def databases(url: str) -> Databases:
    """The store at `url`, and its journal: in the same database, or made beside it."""
    if not is_sqlite(url):
        return Databases(url, url)
    journal = f"{url.rpartition('/')[0]}/journal.db"
    migrate(journal, JOURNAL)
    return Databases(url, journal)


@asynccontextmanager
async def opened(site: Databases) -> AsyncIterator[Store]:
    async with Store.open(site.url, KEYS, lock_timeout=5.0) as store:
        yield store


def address(number: int) -> str:
    return f"p{number}@x.example"


def named(number: int, *, stored: bool = True) -> Person:
    """The person of that number, as a request names them."""
    return Person(address(number), (person(number),), digests(address(number)), address(number) if stored else None)


async def opt_out(
    store: Store,
    number: int,
    scope: str = "acme",
    reason: Reason = Reason.UNSUBSCRIBE,
    expires: datetime | None = None,
) -> None:
    """Somebody says so on the telephone."""
    said = Assertion(
        person(number), address(number), scope, reason, expires=expires, evidence=f"{address(number)} rang"
    )
    await assert_one(store, said, ALICE, now=lambda: NOON)


async def listed(store: Store, number: int, expires: datetime | None = None) -> None:
    """A partner's hash list holds their address."""
    batch = await begin_batch(store, "partner.csv", f"{number}".encode(), ALICE, "*", Reason.IMPORTED)
    said = HashAssertion(digests(address(number))[-1], "*", Reason.IMPORTED, expires=expires)
    await import_rows(store, batch, [said], ALICE, list_name="partner")


async def consented(
    store: Store, number: int, state: ConsentState, stream: str = "acme.news", *, confirmed: bool = False
) -> None:
    said = Consent(person(number), stream, state, Basis.CONSENT, NOON, confirmed, "test", address=address(number))
    await store.write(lambda connection: consents.put(connection, [said]))


async def wrote(store: Store, number: int, *, read: bool = True) -> Review:
    """Mail of theirs, which somebody has read, or not; of what is read the words are kept here, as nobody else does."""
    item = Review(
        f"id{number}", NOON, "unclear", "acme", person(number), address(number), f"I am {address(number)}",
        NOON if read else None, "closed" if read else None,
    )  # fmt: skip
    await store.write(lambda connection: reviews.add(connection, item))
    return item


async def failed(store: Store, number: int, day: int = 20_000) -> None:
    await store.write(lambda connection: soft_bounces.add(connection, person(number), "acme", day))


async def asked(store: Store, number: int, sent: datetime = NOON) -> None:
    await store.write(lambda connection: confirmations.put(connection, person(number), "acme", sent))


def journalled(site: Databases, *numbers: int, at: datetime = NOON) -> None:
    """Refuse a mail to each of these people."""
    told: list[str] = []
    journal = Journal(site.journal, told.append)
    for number in numbers:
        row = JournalRow(at, f"r{number}", Verdict.REJECT, Mode.ENFORCE, reason="unsubscribe", subject=person(number))
        journal.put(row)
    journal.close(10)
    assert told == []


async def known_in_every_way(store: Store, site: Databases, number: int) -> None:
    """Have something held of the person wherever anything can be."""
    await opt_out(store, number)
    await listed(store, number)
    await consented(store, number, ConsentState.GRANTED)
    await wrote(store, number)
    await failed(store, number)
    await asked(store, number)
    journalled(site, number)


def actions(rows: Iterable[tuple[object, ...]]) -> list[Action]:
    return [Action(str(row[0])) for row in rows]
