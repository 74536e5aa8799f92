"""Whatever is asserted, clicked, imported, undone and lifted, in whatever order, and wherever an import or an undo is
cut short: the store holds what a plain dictionary says.

And nothing but `lift` and `undo` ever takes a restriction away, and every change has its ledger entry.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from consentmilter.errors import UsageError
from consentmilter.model import Assertion, Reason, Suppression
from consentmilter.service import bulk, undo
from consentmilter.service.bulk import import_staged, preview_staged
from consentmilter.service.suppressions import (
    Actor,
    Outcome,
    assert_many,
    begin_batch,
    finish_batch,
    held,
    history,
    lift_many,
)
from consentmilter.store.batches import Batch
from consentmilter.store.staging import Staging
from consentmilter.store.writer import Store
from tests.files import HashAssertion, as_said
from tests.service.by_hand import rows
from tests.service.emptied import emptied_store
from tests.store.support import KEYS, NOON, person
from tests.unit.making import FACTOR

Key = tuple[bytes, str, Reason]
Said = Assertion | HashAssertion

ALICE, CLICK = Actor("alice", "cli"), Actor("", "click")
PEOPLE = [person(number) for number in range(2)]
DIGESTS = [bytes([number]) * 32 for number in range(2)]
SCOPES = ["*", "acme"]
REASONS = [Reason.UNSUBSCRIBE, Reason.IMPORTED]
FILES = [b"one", b"two"]
LIST = "partner"

times = st.none() | st.sampled_from([NOON + timedelta(days=days) for days in range(3)])
what = {"scope": st.sampled_from(SCOPES), "reason": st.sampled_from(REASONS), "at": times, "expires": times}
addresses = st.none() | st.sampled_from(["a@x.example", "b@x.example"])
assertions = st.builds(Assertion, subject=st.sampled_from(PEOPLE), address=addresses, **what)
hashed = st.builds(HashAssertion, digest=st.sampled_from(DIGESTS), **what)
several = st.lists(assertions, max_size=6)
rows_of_files = several | st.lists(hashed, max_size=6)
files = st.sampled_from(FILES)
cut_short = st.none() | st.integers(1, 3)
"""After how many holds of the lock the process ends; None for an import or undo that comes to its end."""


class KilledError(Exception):
    """The end of a process."""


def key(row: Said | Suppression) -> Key:
    return row.digest if isinstance(row, HashAssertion) else row.subject, row.scope, row.reason


def holds_longer(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)


def distinct(said: Sequence[Said]) -> list[Said]:
    """One row a key, by subject: the first, held as long as the longest."""
    first: dict[Key, Said] = {}
    for each in said:
        same = first.setdefault(key(each), each)
        merged = replace(same, expires=holds_longer(same.expires, each.expires))
        if isinstance(merged, Assertion) and isinstance(each, Assertion):
            merged = replace(merged, address=merged.address or each.address)
        first[key(each)] = merged
    return sorted(first.values(), key=lambda row: key(row)[0])


def ending_after(steps: int | None) -> Callable[[int], None]:
    """A progress that ends the process after so many steps."""
    left = iter(range(steps - 1)) if steps is not None else iter(int, 1)

    def progress(_done: int) -> None:
        if next(left, None) is None:
            raise KilledError

    return progress


class Restrictions(RuleBasedStateMachine):
    """A store beside a dictionary."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.stack.enter_context(patch.object(bulk, "CHUNK_ROWS", 2))
        self.stack.enter_context(patch.object(undo, "SUBJECTS_AT_ONCE", 1))
        self.url = emptied_store(self.kind, directory)
        self.store: Store = self.runner.run(self.stack.enter_async_context(Store.open(self.url, KEYS)))
        self.rows: dict[Key, Suppression] = {}
        self.told: list[tuple[str, bytes]] = []
        self.chunks = 0
        self.batches: dict[bytes, Batch] = {}
        """The latest import of each file that was not undone."""
        self.undone: list[Batch] = []
        self.now = NOON

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def say(self, said: Said, origin: str, batch: str | None) -> bool:
        """What one assertion does to the dictionary; whether it is new."""
        row = self.rows.get(key(said))
        address = said.address if isinstance(said, Assertion) else None
        if row is None:
            self.rows[key(said)] = Suppression(
                *key(said), origin, said.at or self.now, said.expires, batch, address=address
            )
            return True
        self.rows[key(said)] = replace(
            row,
            expires=holds_longer(row.expires, said.expires),
            asserted_again=row.asserted_again or batch is None or row.batch != batch,
            address=row.address or address,
            repeated=row.repeated if batch is not None and row.batch == batch else self.last(row.repeated, said.at),
        )
        return False

    def last(self, repeated: datetime | None, at: datetime | None) -> datetime:
        """When the same was last asserted again."""
        return max(repeated or NOON - timedelta(days=36500), at or self.now)

    @rule(said=several, actor=st.sampled_from([ALICE, CLICK]))
    def somebody_asserts(self, said: list[Assertion], actor: Actor) -> None:
        self.tick()
        outcome = self.runner.run(assert_many(self.store, said, actor, now=lambda: self.now))
        made = [self.say(each, actor.origin, None) for each in said]
        self.told += [("add" if new else "repeat", each.subject) for new, each in zip(made, said, strict=True)]
        assert outcome == Outcome(sum(made), len(said) - sum(made))

    @rule(file=files, said=rows_of_files, steps=cut_short)
    def rows_of_a_file_are_imported(self, file: bytes, said: list[Said], steps: int | None) -> None:
        """Some at first, or all; again, or for the first time."""
        self.tick()
        begun = self.runner.run(begin_batch(self.store, "f", file, ALICE, "*", Reason.IMPORTED, now=lambda: self.now))
        batch = self.batches.setdefault(file, begun)
        assert begun == batch
        if batch.finished is None:
            self.runner.run(self.import_rows(batch, said, steps))

    async def import_rows(self, batch: Batch, said: list[Said], steps: int | None) -> None:
        left = distinct(said)
        list_name = LIST if said and isinstance(said[0], HashAssertion) else None
        origin = f"list:{LIST}" if list_name else "import"
        with self.store.spill() as spill:
            staged = Staging(spill)
            staged.add(map(as_said, said))
            foreseen = await preview_staged(self.store, staged)
            work = import_staged(
                self.store, batch, staged, ALICE,
                list_name=list_name, progress=ending_after(steps), now=lambda: self.now,
            )  # fmt: skip
            if steps is not None and 2 * (steps - 1) < len(left):
                with pytest.raises(KilledError):
                    await work
                left = left[: 2 * steps]
            else:
                outcome = await work
                assert foreseen == outcome
                assert outcome.new + outcome.known == len(said)
        made = sum([self.say(each, origin, batch.id) for each in left])
        self.chunks += -(-len(left) // 2)
        assert made <= foreseen.new

    @precondition(lambda self: self.batches)
    @rule(file=files)
    def an_import_ends(self, file: bytes) -> None:
        """From now on the same file asserts nothing."""
        batch = self.batches.get(file)
        if batch is None or batch.finished is not None:
            return
        made = sum(row.batch == batch.id for row in self.rows.values())
        done = self.runner.run(finish_batch(self.store, batch, rows=made + 4, bad=1, skipped=1, now=self.tick))
        assert (done.new, done.known, done.bad, done.skipped) == (made, 2, 1, 1)
        self.batches[file] = done

    @precondition(lambda self: self.batches or self.undone)
    @rule(data=st.data(), steps=cut_short)
    def an_import_is_undone(self, data: st.DataObject, steps: int | None) -> None:
        """For the first time, or once more; what somebody asserted since stays."""
        batch = data.draw(st.sampled_from([*self.batches.values(), *self.undone]))
        own = {found: row for found, row in self.rows.items() if row.batch == batch.id}
        alone = [found for found, row in own.items() if not row.asserted_again]
        # People first, then hash lists; all rows of one subject at once.
        order = sorted({found[0] for found in alone}, key=lambda subject: (len(subject), subject))
        foreseen = self.runner.run(undo.preview_undo(self.store, batch.id))
        assert (foreseen.lifted, foreseen.kept) == (len(alone), len(own) - len(alone))
        work = undo.undo(self.store, batch.id, ALICE, progress=ending_after(steps), now=self.tick)
        if steps is not None and steps <= len(order):
            with pytest.raises(KilledError):
                self.runner.run(work)
            order = order[:steps]
        else:
            done = self.runner.run(work)
            assert (done.lifted, done.kept) == (foreseen.lifted, foreseen.kept)
            assert (done.before is not None) == (batch in self.undone)
        gone = [found for found in alone if found[0] in order]
        for found in gone:
            del self.rows[found]
        self.told += [("lift", found[0]) for found in gone if found[0] in PEOPLE]
        self._note_undone(batch)

    def _note_undone(self, batch: Batch) -> None:
        if batch not in self.undone:
            self.undone.append(batch)
            self.batches = {file: each for file, each in self.batches.items() if each is not batch}
        with pytest.raises(UsageError, match="was undone at"):
            self.runner.run(self.import_rows(batch, [Assertion(PEOPLE[0], None, "*", Reason.IMPORTED)], None))

    @rule(
        subjects=st.lists(st.sampled_from(PEOPLE), unique=True, max_size=2),
        scope=st.none() | st.sampled_from(SCOPES),
        reason=st.none() | st.sampled_from(REASONS),
    )
    def somebody_is_lifted(self, subjects: list[bytes], scope: str | None, reason: Reason | None) -> None:
        removed = self.runner.run(
            lift_many(self.store, subjects, scope, reason, evidence="ticket", actor=ALICE, now=self.tick)
        )
        chosen = [
            found
            for found in self.rows
            if found[0] in subjects and scope in {None, found[1]} and reason in {None, found[2]}
        ]
        assert {key(row): row for row in removed} == {found: self.rows.pop(found) for found in chosen}
        self.told += [("lift", found[0]) for found in chosen]

    @invariant()
    def the_store_holds_what_the_dictionary_holds(self) -> None:
        assert {key(row): row for row in self.runner.run(held(self.store, [*PEOPLE, *DIGESTS]))} == self.rows

    @invariant()
    def every_change_has_its_ledger_entry(self) -> None:
        entries = self.runner.run(history(self.store, PEOPLE))
        assert sorted((str(entry.action), entry.subject or b"") for entry in entries) == sorted(self.told)
        assert all(entry.evidence.commitment() == entry.commitment for entry in entries if entry.evidence)
        assert rows(self.url, "SELECT count(*) FROM ledger WHERE action = 'import'") == [(self.chunks,)]


class RestrictionsOnPostgresql(Restrictions):
    """The same on a server."""

    kind = "postgresql"


TestOnSqlite = Restrictions.TestCase
TestOnSqlite.settings = settings(max_examples=8 * FACTOR, stateful_step_count=20, deadline=None)
TestOnPostgresql = RestrictionsOnPostgresql.TestCase
TestOnPostgresql.settings = settings(TestOnSqlite.settings, max_examples=4 * FACTOR)
