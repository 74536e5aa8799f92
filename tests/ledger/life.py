"""A list that lives: everything that changes it, by every way, in any order, an hour between any two changes."""

import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from consentmilter.hashes import digests
from consentmilter.model import ALL, Assertion, Reason
from consentmilter.service import clicks, consents, reviewing, rights, undo
from consentmilter.service.consents import OptIn, Proof
from consentmilter.service.person import Person
from consentmilter.service.retention import Terms, prune
from consentmilter.service.rights import Hand
from consentmilter.service.suppressions import Actor, assert_many, begin_batch, finish_batch, lift
from consentmilter.store.retention import Kind
from consentmilter.store.reviews import Review
from consentmilter.store.writer import Store
from tests.files import HashAssertion, import_rows
from tests.store.support import NOON, person

ALICE = Actor("alice", "cli")
SCOPES = (ALL, "acme", "acme.news")
STREAMS = ("acme.news", "acme.offers")
MINE = (Reason.MANUAL, Reason.UNSUBSCRIBE, Reason.COMPLAINT)
PEOPLE = 5


def somebody(number: int) -> Person:
    address = f"p{number}@example.net"
    return Person(address, (person(number),), digests(address), address)


class Life:
    """What happens to one list; `prunes` says whether ended rows are ever removed."""

    def __init__(self, store: Store, journal_url: str, seed: int) -> None:
        self.store = store
        self.journal_url = journal_url
        self.dice = random.Random(seed)
        self.now = NOON
        self.batches: list[str] = []
        self.ways: dict[str, Callable[[], Awaitable[object]]] = {
            "add": self.add,
            "lift": self.lift,
            "import": self.import_people,
            "import again": self.import_more,
            "import hashes": self.import_hashes,
            "undo": self.undo,
            "click": self.click,
            "take back": self.take_back,
            "review": self.review,
            "grant": self.grant,
            "import consents": self.import_consents,
            "request": self.request,
            "withdraw": self.withdraw,
            "restrict": self.restrict,
            "object": self.object_to,
            "rectify": self.rectify,
            "erase": self.erase,
            "prune": self.prune,
        }

    async def live(self, way: str) -> None:
        self.now += timedelta(hours=1)
        await self.ways[way]()

    def clock(self) -> datetime:
        return self.now

    def who(self) -> Person:
        return somebody(self.dice.randrange(PEOPLE))

    def said(self, number: int) -> Assertion:
        expires = self.now + timedelta(hours=self.dice.randrange(1, 40)) if self.dice.random() < 0.3 else None
        at = self.now - timedelta(days=self.dice.randrange(1, 400)) if self.dice.random() < 0.3 else None
        who = somebody(number)
        return Assertion(who.key, who.stored, self.dice.choice(SCOPES), self.dice.choice(MINE), at, expires, "said so")

    async def add(self) -> None:
        said = [self.said(self.dice.randrange(PEOPLE)) for _ in range(self.dice.randrange(1, 3))]
        await assert_many(self.store, said, ALICE, now=self.clock)

    async def lift(self) -> None:
        await lift(self.store, self.who().key, evidence="asked", actor=ALICE, now=self.clock)

    async def import_people(self) -> None:
        await self._import(range(PEOPLE))

    async def import_more(self) -> None:
        """People of whom nobody ever heard, so that the import makes all of its rows."""
        first = 100 + len(self.batches) * 10
        await self._import(range(first, first + 5))

    async def _import(self, numbers: range) -> None:
        digest = self.dice.randbytes(32)
        batch = await begin_batch(self.store, "f.csv", digest, ALICE, ALL, Reason.IMPORTED, now=self.clock)
        rows = [Assertion(somebody(n).key, None, ALL, Reason.IMPORTED, self.said(n).at) for n in numbers]
        for start in range(0, len(rows), 3):
            await import_rows(self.store, batch, rows[start : start + 3], ALICE, now=self.clock)
        await finish_batch(self.store, batch, rows=len(rows), bad=0, now=self.clock)
        self.batches.append(batch.id)

    async def import_hashes(self) -> None:
        digest = self.dice.randbytes(32)
        batch = await begin_batch(self.store, "h.txt", digest, ALICE, ALL, Reason.IMPORTED, now=self.clock)
        rows = [HashAssertion(somebody(n).digests[0], ALL, Reason.IMPORTED) for n in range(3)]
        await import_rows(self.store, batch, rows, ALICE, list_name="partner", now=self.clock)
        await finish_batch(self.store, batch, rows=len(rows), bad=0, now=self.clock)
        self.batches.append(batch.id)

    async def undo(self) -> None:
        if self.batches:
            await undo.undo(self.store, self.dice.choice(self.batches), ALICE, now=self.clock)

    async def click(self) -> None:
        await clicks.click(self.store, self.who().key, [self.dice.choice(SCOPES)], evidence="click", at=self.now)

    async def take_back(self) -> None:
        who, scope, at = self.who().key, self.dice.choice(SCOPES), self.now
        await clicks.click(self.store, who, [scope], evidence="click", at=at)
        self.now += timedelta(hours=1)
        await clicks.take_back(self.store, who, [scope], at, evidence="taken back", at=self.now)

    async def review(self) -> None:
        who = self.who()
        item = Review(reviewing.new_id(), self.now, "reply", "acme", who.key, who.stored, "no more mail please")
        await reviewing.keep(self.store, item)
        await reviewing.opt_out(self.store, item.id, None, ALICE, now=self.clock)

    async def grant(self) -> None:
        opt_in = OptIn(self.who().key, self.dice.choice(STREAMS), Proof("form 7"), confirmed=self.dice.random() < 0.5)
        await consents.grant(self.store, opt_in, ALICE, now=self.clock)

    async def import_consents(self) -> None:
        digest = self.dice.randbytes(32)
        batch = await begin_batch(self.store, "c.csv", digest, ALICE, "acme.news", Reason.IMPORTED, now=self.clock)
        rows = [OptIn(somebody(n).key, "acme.news", Proof("list") if n % 2 else Proof()) for n in range(PEOPLE)]
        await consents.grant_many(self.store, batch, rows, ALICE, now=self.clock)

    async def request(self) -> None:
        stream = self.dice.choice(STREAMS)
        await consents.request(self.store, self.who().key, stream, Proof(message_id="<1@x>"), ALICE, now=self.clock)

    async def withdraw(self) -> None:
        scope = self.dice.choice((*STREAMS, "acme"))
        await consents.withdraw(self.store, self.who().key, scope, Proof(), ALICE, now=self.clock)

    def hand(self) -> Hand:
        return Hand(ALICE, "letter of 1 March", now=self.clock)

    async def restrict(self) -> None:
        await rights.restrict(self.store, self.who(), self.hand())

    async def object_to(self) -> None:
        await rights.object_to(self.store, self.who(), "acme", self.hand())

    async def rectify(self) -> None:
        one, other = self.dice.sample(range(PEOPLE), 2)
        await rights.rectify(self.store, somebody(one), somebody(other), self.hand())

    async def erase(self) -> None:
        await rights.erase(self.store, self.journal_url, self.who(), self.hand())

    async def prune(self) -> None:
        before: dict[Kind, datetime | None] = dict.fromkeys(Kind)
        await prune(self.store, Terms(before | {Kind.EXPIRED: self.now}, self.journal_url), ALICE, now=self.clock)
