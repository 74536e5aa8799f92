"""Whatever is asserted, imported and lifted, in whatever order: the store holds what a plain dictionary says.

And nothing but `lift` ever takes a restriction away, and every change has its ledger entry.
"""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from consentmilter.model import Assertion, Reason, Suppression
from consentmilter.service.suppressions import (
    Actor,
    Outcome,
    assert_many,
    begin_batch,
    finish_batch,
    held,
    history,
    import_chunk,
    lift,
    preview_chunk,
)
from consentmilter.store.batches import Batch
from consentmilter.store.writer import Store
from tests.store.support import KEYS, NOON, make_store, person, shell

Key = tuple[bytes, str, Reason]

ALICE = Actor("alice", "cli")
PEOPLE = [person(number) for number in range(4)]
SCOPES = ["*", "acme"]
REASONS = [Reason.UNSUBSCRIBE, Reason.IMPORTED]

times = st.none() | st.sampled_from([NOON + timedelta(days=days) for days in range(3)])
assertions = st.builds(
    Assertion,
    subject=st.sampled_from(PEOPLE),
    address=st.none() | st.sampled_from(["a@x.example", "b@x.example"]),
    scope=st.sampled_from(SCOPES),
    reason=st.sampled_from(REASONS),
    at=times,
    expires=times,
)
several = st.lists(assertions, max_size=6)
files = st.sampled_from([b"one", b"two"])


def key(row: Assertion | Suppression) -> Key:
    return row.subject, row.scope, row.reason


def holds_longer(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)


class Restrictions(RuleBasedStateMachine):
    """The store beside a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.database = directory / "consent.db"
        self.store: Store = self.runner.run(self.stack.enter_async_context(Store.open(make_store(directory), KEYS)))
        self.rows: dict[Key, Suppression] = {}
        self.told: list[tuple[str, bytes]] = []
        self.chunks = 0
        self.batches: dict[bytes, Batch] = {}
        self.now = NOON

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def say(self, said: Assertion, origin: str, batch: str | None) -> bool:
        """What one assertion does to the dictionary; whether it is new."""
        row = self.rows.get(key(said))
        if row is None:
            self.rows[key(said)] = Suppression(
                *key(said), origin, said.at or self.now, said.expires, batch, address=said.address
            )
            return True
        self.rows[key(said)] = replace(
            row,
            expires=holds_longer(row.expires, said.expires),
            asserted_again=row.asserted_again or batch is None or row.batch != batch,
            address=row.address or said.address,
        )
        return False

    @rule(said=several)
    def somebody_asserts(self, said: list[Assertion]) -> None:
        self.tick()
        outcome = self.runner.run(assert_many(self.store, said, ALICE, now=lambda: self.now))
        made = [self.say(each, "cli:alice", None) for each in said]
        self.told += [("add" if new else "repeat", each.subject) for new, each in zip(made, said, strict=True)]
        assert outcome == Outcome(sum(made), len(said) - sum(made))

    @rule(file=files, said=several)
    def a_chunk_is_imported(self, file: bytes, said: list[Assertion]) -> None:
        self.tick()
        begun = begin_batch(self.store, "f", file, ALICE, "*", Reason.IMPORTED, now=lambda: self.now)
        batch = self.batches.setdefault(file, self.runner.run(begun))
        foreseen = self.runner.run(preview_chunk(self.store, said))
        outcome = self.runner.run(import_chunk(self.store, batch, said, ALICE, now=lambda: self.now))
        first: dict[Key, Assertion] = {}
        for each in said:
            same = first.setdefault(key(each), each)
            first[key(each)] = replace(same, expires=holds_longer(same.expires, each.expires))
        made = sum(self.say(each, "import", batch.id) for each in first.values())
        self.chunks += bool(said)
        assert foreseen == outcome == Outcome(made, len(said) - made)

    @precondition(lambda self: self.batches)
    @rule(file=files)
    def an_import_ends(self, file: bytes) -> None:
        batch = self.batches.pop(file, None)
        if batch is None:
            return
        made = sum(row.batch == batch.id for row in self.rows.values())
        done = self.runner.run(finish_batch(self.store, batch, rows=made + 3, bad=1, now=self.tick))
        assert (done.new, done.known, done.bad) == (made, 2, 1)
        # The same file would assert nothing from now on; the machine goes on with another.
        with shell(self.database) as connection:
            connection.execute("UPDATE import_batch SET digest = randomblob(16) WHERE id = ?", (batch.id,))

    @rule(
        subject=st.sampled_from(PEOPLE),
        scope=st.none() | st.sampled_from(SCOPES),
        reason=st.none() | st.sampled_from(REASONS),
    )
    def somebody_is_lifted(self, subject: bytes, scope: str | None, reason: Reason | None) -> None:
        removed = self.runner.run(
            lift(self.store, subject, scope, reason, evidence="ticket", actor=ALICE, now=self.tick)
        )
        chosen = [
            found
            for found in self.rows
            if found[0] == subject and scope in {None, found[1]} and reason in {None, found[2]}
        ]
        assert {key(row): row for row in removed} == {found: self.rows.pop(found) for found in chosen}
        self.told += [("lift", subject)] * len(chosen)

    @invariant()
    def the_store_holds_what_the_dictionary_holds(self) -> None:
        assert {key(row): row for row in self.runner.run(held(self.store, PEOPLE))} == self.rows

    @invariant()
    def every_change_has_its_ledger_entry(self) -> None:
        entries = self.runner.run(history(self.store, PEOPLE))
        assert sorted((str(entry.action), entry.subject or b"") for entry in entries) == sorted(self.told)
        assert all(entry.evidence.commitment() == entry.commitment for entry in entries if entry.evidence)
        with shell(self.database) as connection:
            imports = connection.execute("SELECT count(*) FROM ledger WHERE action = 'import'").fetchone()
        assert imports == (self.chunks,)


TestRestrictions = Restrictions.TestCase
TestRestrictions.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
