"""Whatever people ask and systems say, in whatever order: who opted out stays out, and who was erased is not named.

Beside the store there is a model of dictionaries and sets, written without a look at the program: who stands where,
who is held or restricted, and whose address may be known.
"""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from consentmilter.model import Assertion, Reason
from consentmilter.policy.decide import decide
from consentmilter.policy.facts import Facts
from consentmilter.service import holds, rights
from consentmilter.service.clicks import click
from consentmilter.service.consents import OptIn, Proof, grant
from consentmilter.service.holds import HeldError
from consentmilter.service.rebuilding import Difference, rebuild
from consentmilter.service.retention import Terms, prune
from consentmilter.service.rights import Hand
from consentmilter.service.suppressions import assert_one, begin_batch
from consentmilter.store import consents
from consentmilter.store.retention import Kind
from consentmilter.store.writer import Store
from tests.files import import_rows
from tests.service.emptied import emptied_store
from tests.service.people import ALICE, Databases, address, databases, journalled, named, opened
from tests.store.support import NOON, person
from tests.unit.making import FACTOR, stream

NEWSLETTER = stream("acme.news")
KEPT = timedelta(days=30)

Row = tuple[int, str, Reason]

PEOPLE = 2

who = st.integers(0, PEOPLE - 1)
ends = st.none() | st.integers(1, 60)


class Asking(RuleBasedStateMachine):
    """The store and the journal beside what should be in them."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.site: Databases = databases(emptied_store(self.kind, directory))
        self.store: Store = self.runner.run(self.stack.enter_async_context(opened(self.site)))
        self.now = NOON
        self.rows: dict[Row, datetime | None] = {}
        self.withdrawn: set[int] = set()
        self.granted: set[int] = set()
        self.held: set[int] = set()
        self.restricted: set[int] = set()
        self.known: set[int] = set()
        self.journal: list[tuple[int, datetime]] = []
        self.imports = 0

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def hand(self) -> Hand:
        at = self.tick()
        return Hand(ALICE, "ticket", now=lambda: at)

    def stand(self, row: Row, expires: datetime | None) -> None:
        """One more assertion: what stands only ever holds longer."""
        before = self.rows.get(row, expires)
        self.rows[row] = None if expires is None or before is None else max(before, expires)

    def until(self, days: int | None) -> datetime | None:
        return None if days is None else self.now + timedelta(days=days)

    def keeps(self, number: int) -> bool:
        return number in self.held | self.restricted

    @rule(number=who)
    def somebody_clicks(self, number: int) -> None:
        self.runner.run(click(self.store, person(number), ["acme"], evidence="a click", at=self.tick()))
        self.stand((number, "acme", Reason.UNSUBSCRIBE), None)

    @rule(number=who, days=ends)
    def somebody_rings(self, number: int, days: int | None) -> None:
        at, expires = self.tick(), self.until(days)
        said = Assertion(person(number), address(number), "*", Reason.MANUAL, expires=expires)
        self.runner.run(assert_one(self.store, said, ALICE, now=lambda: at))
        self.stand((number, "*", Reason.MANUAL), expires)
        self.known.add(number)

    @rule(numbers=st.sets(who, min_size=1), days=ends)
    def a_file_is_imported(self, numbers: set[int], days: int | None) -> None:
        at, expires = self.tick(), self.until(days)
        self.imports += 1
        begun = begin_batch(self.store, "f", b"%d" % self.imports, ALICE, "acme", Reason.IMPORTED, now=lambda: at)
        said = [Assertion(person(n), address(n), "acme", Reason.IMPORTED, expires=expires) for n in sorted(numbers)]
        batch = self.runner.run(begun)
        self.runner.run(import_rows(self.store, batch, said, ALICE, now=lambda: at))
        for number in numbers:
            row = (number, "acme", Reason.IMPORTED)
            if row not in self.rows:  # the address of what stands and was erased does not come back
                self.known.add(number)
            self.stand(row, expires)

    @rule(number=who)
    def somebody_consents(self, number: int) -> None:
        at = self.tick()
        if number not in self.withdrawn:
            opt_in = OptIn(person(number), "acme.news", Proof(form="a form"), address(number))
            self.runner.run(grant(self.store, opt_in, ALICE, now=lambda: at))
            self.granted.add(number)
            self.known.add(number)

    @rule(number=who)
    def mail_is_refused(self, number: int) -> None:
        journalled(self.site, number, at=self.tick())
        self.journal.append((number, self.now))

    @rule(number=who)
    def somebody_is_held(self, number: int) -> None:
        at = self.tick()
        before = self.runner.run(holds.hold(self.store, named(number), ALICE, cause="case", now=lambda: at))
        assert (before is not None) is (number in self.held)
        self.held.add(number)

    @rule(number=who)
    def a_hold_ends(self, number: int) -> None:
        at = self.tick()
        before = self.runner.run(holds.release(self.store, named(number), ALICE, evidence="over", now=lambda: at))
        assert (before is not None) is (number in self.held)
        self.held.discard(number)

    @rule(number=who)
    def somebody_asks_for_restriction(self, number: int) -> None:
        self.runner.run(rights.restrict(self.store, named(number), self.hand()))
        self.stand((number, "*", Reason.LEGAL), None)
        self.restricted.add(number)
        self.known.add(number)

    @rule(number=who)
    def somebody_objects(self, number: int) -> None:
        self.runner.run(rights.object_to(self.store, named(number), "acme", self.hand()))
        self.stand((number, "acme", Reason.OBJECTION), None)
        self.known.add(number)

    @rule(number=who)
    def somebody_is_erased(self, number: int) -> None:
        work = rights.erase(self.store, self.site.journal, named(number), self.hand())
        if number in self.held:
            with pytest.raises(HeldError):
                self.runner.run(work)
            return
        self.runner.run(work)
        self.known.discard(number)
        self.journal = [(other, at) for other, at in self.journal if other != number]
        if number in self.granted:
            self.withdraw(number)

    @rule(old=who, new=who)
    def somebody_moves(self, old: int, new: int) -> None:
        if old == new:
            return
        self.runner.run(rights.rectify(self.store, named(old), named(new), self.hand()))
        moved = {row: end for row, end in self.rows.items() if row[0] == old and (end is None or end > self.now)}
        for (_, scope, reason), expires in moved.items():
            self.stand((new, scope, reason), expires)
        had = old in self.granted | self.withdrawn
        if old in self.withdrawn and new not in self.withdrawn:
            self.withdraw(new)
        if old in self.granted and new not in self.withdrawn:
            self.granted.add(new)
        if old in self.granted:
            self.withdraw(old)
        if moved or had:
            self.known.add(new)
            self.restricted |= {new} if old in self.restricted else set()

    def withdraw(self, number: int) -> None:
        self.granted.discard(number)
        self.withdrawn.add(number)

    @rule(days=st.integers(1, 60))
    def old_records_are_pruned(self, days: int) -> None:
        self.now += timedelta(days=days)
        before = self.now - KEPT
        terms = Terms(dict.fromkeys(Kind, before), self.site.journal)
        done = {each.kind: each for each in self.runner.run(prune(self.store, terms, ALICE, now=lambda: self.now))}
        old = {row for row, end in self.rows.items() if end is not None and end < before}
        kept = {row for row in old if self.keeps(row[0])}
        for row in old - kept:
            del self.rows[row]
        assert (done[Kind.EXPIRED].removed, done[Kind.EXPIRED].kept) == (len(old) - len(kept), len(kept))
        gone = [each for each in self.journal if each[1] < before and not self.keeps(each[0])]
        self.journal = [each for each in self.journal if each not in gone]
        assert done[Kind.JOURNAL].removed >= len(gone)

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        rows = self.site.rows("SELECT subject, scope, reason FROM suppression")
        assert {(int.from_bytes(row[0]), *row[1:]) for row in rows if isinstance(row[0], bytes)} == set(self.rows)
        assert sorted(subject for _, subject in self.site.verdicts() if isinstance(subject, bytes)) == sorted(
            person(number) for number, _ in self.journal
        )

    @invariant()
    def whoever_opted_out_gets_no_mail(self) -> None:
        for number in range(PEOPLE):
            keys = [person(number)]
            facts = self.runner.run(self.store.read(partial(consents.facts, keys=keys)))
            verdict = decide(NEWSLETTER, Facts(facts.suppressions, facts.consents, keys), self.now).verdict
            stands = any(row[0] == number and (end is None or end > self.now) for row, end in self.rows.items())
            assert (verdict == "reject") is (stands or number in self.withdrawn), number

    @invariant()
    def whoever_was_erased_is_not_named(self) -> None:
        everything = str(self.site.everything())
        for number in set(range(PEOPLE)) - self.known:
            assert address(number) not in everything

    @invariant()
    def the_ledger_leads_to_the_list(self) -> None:
        async def differences() -> list[Difference]:
            return [each async for some in rebuild(self.store) for each in some.differences]

        assert self.runner.run(differences()) == []

    @invariant()
    def every_entry_of_the_ledger_fits_its_evidence(self) -> None:
        self.site.refuse_altered()


class AskingPostgresql(Asking):
    """The same on a server."""

    kind = "postgresql"


TestAsking = Asking.TestCase
TestAsking.settings = settings(max_examples=5 * FACTOR, stateful_step_count=25, deadline=None, database=None)
TestAskingPostgresql = AskingPostgresql.TestCase
TestAskingPostgresql.settings = settings(TestAsking.settings, max_examples=2 * FACTOR)
