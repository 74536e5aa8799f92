"""Any order of opt-ins, withdrawals, imports, opt-outs and lifts: the verdict is that of a model of a few lines.

The store is asked as the milter asks and as the API asks; both say the same as the model, which knows nothing of
tables, keys and rows.
"""

import asyncio
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from consentmilter.addresses import canonical
from consentmilter.hashes import digests
from consentmilter.keys import subject_of, subject_of_address
from consentmilter.model import ALL, Assertion, Reason, Suppression, Verdict
from consentmilter.policy import decide as deciding
from consentmilter.policy.facts import shared_out
from consentmilter.policy.site import Stream
from consentmilter.service.asking import ask
from consentmilter.service.candidate import Candidate
from consentmilter.service.consents import OptIn, Proof, confirm, grant, grant_many, request, withdraw
from consentmilter.service.suppressions import Actor, assert_many, begin_batch, finish_batch, lift
from consentmilter.store.reader import Reader
from consentmilter.store.writer import Store
from tests.files import HashAssertion, import_rows
from tests.service.emptied import emptied_store
from tests.store.support import KEYS, NOON
from tests.unit.making import FACTOR, RING, stream

ALICE = Actor("alice", "cli")
PEOPLE = ("ann@x.example", "bob@y.example")
DOMAIN = "x.example"
STREAMS = [
    stream("acme.news"),
    stream("acme.news.weekly", requires_consent=True),
    stream("acme.offers", requires_consent=True),
    stream("acme.security", "security-patch"),
    stream("other.list"),
]
NAMES = [each.name for each in STREAMS]
SCOPES = [*NAMES, "acme", ALL]
TAKEN_BACK = (Reason.UNSUBSCRIBE, Reason.IMPORTED)
NEVER_BYPASSED = (Reason.LEGAL, Reason.HARD_BOUNCE)

people = st.sampled_from(PEOPLE)
names = st.sampled_from(NAMES)
scopes = st.sampled_from(SCOPES)
reasons = st.sampled_from([*TAKEN_BACK, *TAKEN_BACK, *Reason])
minutes = st.integers(0, 12)
"""How long before now something was said."""


def above(name: str) -> list[str]:
    """The scopes that a stream is in."""
    labels = name.split(".")
    return [ALL, *(".".join(labels[:end]) for end in range(1, len(labels) + 1))]


@dataclass
class Model:
    """What people said, as anybody would note it down."""

    opt_outs: dict[tuple[str, str, Reason], datetime] = field(default_factory=dict)
    """Who (`#` before an address: by a hash list), where and why, and when that was last said."""
    withdrawn: dict[tuple[str, str], datetime] = field(default_factory=dict)
    granted: dict[tuple[str, str], datetime] = field(default_factory=dict)
    confirmed: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def opts_out(self, who: str, scope: str, reason: Reason, at: datetime) -> None:
        key = who, scope, reason
        self.opt_outs[key] = max(self.opt_outs.get(key, at), at)

    def withdraws(self, who: str, scope: str, at: datetime) -> None:
        self.withdrawn[who, scope] = at
        for name in NAMES:
            if scope in above(name):
                self.granted.pop((who, name), None)
                self.confirmed.pop((who, name), None)

    def grants(self, who: str, name: str, at: datetime, *, confirmed: bool, proven: bool) -> None:
        key, withdrawn = (who, name), self.last_withdrawn(who, name)
        if key not in self.granted and withdrawn is not None and not (proven and at > withdrawn):
            return
        if key not in self.confirmed and at < self.granted.get(key, at):
            return  # older than what is known, which may have followed a withdrawal
        if confirmed:
            self.confirmed[key] = max(self.confirmed.get(key, at), at)
        self.granted[key] = self.confirmed.get(key) or max(self.granted.get(key, at), at)

    def last_withdrawn(self, who: str, name: str) -> datetime | None:
        return max((at for scope in above(name) if (at := self.withdrawn.get((who, scope)))), default=None)

    def may_get(self, who: str, to: Stream) -> bool:
        """Whether mail of the stream goes to the person."""
        key = who, to.name
        exempt = to.category.exempt
        for (whom, scope, reason), at in self.opt_outs.items():
            own = whom in (who, f"#{who}")
            if scope not in above(to.name) or not (own or whom == who.partition("@")[2]):
                continue
            outdone = own and reason in TAKEN_BACK and key in self.confirmed and self.confirmed[key] > at
            if not outdone and not (exempt and reason not in NEVER_BYPASSED):
                return False
        if to.requires_consent:
            return key in self.granted
        return exempt or key in self.granted or self.last_withdrawn(who, to.name) is None


class Consenting(RuleBasedStateMachine):
    """A store beside the model."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        url = emptied_store(self.kind, Path(self.stack.enter_context(tempfile.TemporaryDirectory())))
        self.store: Store = self.runner.run(self.stack.enter_async_context(Store.open(url, KEYS)))
        self.reader = self.stack.enter_context(Reader(url, KEYS, 5.0))
        self.model = Model()
        self.now = NOON
        self.files = 0

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def tick(self, ago: int = 0) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now - timedelta(minutes=ago)

    @rule(who=people, to=names, ago=minutes, confirmed=st.booleans())
    def somebody_opts_in(self, who: str, to: str, ago: int, confirmed: bool) -> None:
        at = self.tick(ago)
        opt_in = OptIn(key(who), to, Proof("form"), at=at, confirmed=confirmed)
        self.runner.run(grant(self.store, opt_in, ALICE, now=lambda: self.now))
        self.model.grants(who, to, at, confirmed=confirmed, proven=True)

    @rule(who=people, to=names)
    def somebody_is_asked_and_confirms(self, who: str, to: str) -> None:
        at = self.tick()
        self.runner.run(request(self.store, key(who), to, Proof("form"), ALICE, now=lambda: at))
        self.runner.run(confirm(self.store, key(who), to, Proof("link"), ALICE, now=lambda: at))
        self.model.grants(who, to, at, confirmed=True, proven=True)

    @rule(who=people, to=names)
    def somebody_is_asked(self, who: str, to: str) -> None:
        self.runner.run(request(self.store, key(who), to, Proof("form"), ALICE, now=self.tick))

    @rule(who=people, scope=scopes)
    def somebody_withdraws(self, who: str, scope: str) -> None:
        at = self.tick()
        self.runner.run(withdraw(self.store, key(who), scope, Proof(), ALICE, now=lambda: at))
        self.model.withdraws(who, scope, at)

    @rule(rows=st.lists(st.tuples(people, names, minutes, st.sampled_from(["", "proven", "confirmed"])), max_size=4))
    def opt_ins_are_imported(self, rows: list[tuple[str, str, int, str]]) -> None:
        self.tick()
        said = [
            OptIn(
                key(who), to, Proof(evidence or None),
                at=self.now - timedelta(minutes=ago), confirmed=evidence == "confirmed",
            )
            for who, to, ago, evidence in rows
        ]  # fmt: skip
        self.runner.run(self.imported(said))
        for (who, to, _, evidence), each in zip(rows, said, strict=True):
            assert each.at is not None
            self.model.grants(who, to, each.at, confirmed=each.confirmed, proven=bool(evidence))

    async def imported(self, said: list[OptIn]) -> None:
        self.files += 1
        batch = await begin_batch(
            self.store, "f", bytes([self.files]), ALICE, ALL, Reason.IMPORTED, now=lambda: self.now
        )
        await grant_many(self.store, batch, said, ALICE, now=lambda: self.now)
        await finish_batch(self.store, batch, rows=len(said), bad=0, now=lambda: self.now)

    @rule(who=st.sampled_from([*PEOPLE, DOMAIN]), scope=scopes, reason=reasons, ago=minutes)
    def somebody_opts_out(self, who: str, scope: str, reason: Reason, ago: int) -> None:
        at = self.tick(ago)
        assertion = Assertion(key(who), None, scope, reason, at=at)
        self.runner.run(assert_many(self.store, [assertion], ALICE, now=lambda: self.now))
        self.model.opts_out(who, scope, reason, at)

    @rule(rows=st.lists(st.tuples(people, scopes, reasons, minutes), max_size=4), hashed=st.booleans())
    def opt_outs_are_imported(self, rows: list[tuple[str, str, Reason, int]], hashed: bool) -> None:
        self.tick()
        self.runner.run(self.opted_out(rows, hashed=hashed))
        seen = set()
        for who, scope, reason, ago in rows:
            if (who, scope, reason) not in seen:  # of rows of one file that say the same, the first counts
                self.model.opts_out(f"#{who}" if hashed else who, scope, reason, self.now - timedelta(minutes=ago))
            seen.add((who, scope, reason))

    async def opted_out(self, rows: Iterable[tuple[str, str, Reason, int]], *, hashed: bool) -> None:
        self.files += 1
        batch = await begin_batch(
            self.store, "f", bytes([self.files]), ALICE, ALL, Reason.IMPORTED, now=lambda: self.now
        )
        told = [(who, scope, reason, self.now - timedelta(minutes=ago)) for who, scope, reason, ago in rows]
        if hashed:
            of_hashes = [HashAssertion(digests(who)[2], scope, reason, at) for who, scope, reason, at in told]
            await import_rows(self.store, batch, of_hashes, ALICE, list_name="l", now=lambda: self.now)
        else:
            of_people = [Assertion(key(who), None, scope, reason, at) for who, scope, reason, at in told]
            await import_rows(self.store, batch, of_people, ALICE, now=lambda: self.now)

    @rule(who=st.sampled_from([*PEOPLE, DOMAIN]), scope=scopes)
    def an_opt_out_is_lifted(self, who: str, scope: str) -> None:
        self.runner.run(lift(self.store, key(who), scope, evidence="ticket", actor=ALICE, now=self.tick))
        self.model.opt_outs = {said: at for said, at in self.model.opt_outs.items() if said[:2] != (who, scope)}

    @invariant()
    def the_verdicts_are_those_of_the_model(self) -> None:
        expected = {(who, to.name): self.model.may_get(who, to) for who in PEOPLE for to in STREAMS}
        assert self.by_the_milter() == expected
        assert self.by_the_api() == expected

    def by_the_milter(self) -> dict[tuple[str, str], bool]:
        """Both people as recipients of one message: one look-up."""
        candidates = [Candidate.of(f"<{who}>", None, RING, {}) for who in PEOPLE]
        found = self.reader.look_up(
            [each for candidate in candidates for each in candidate.subjects],
            lambda: [each for candidate in candidates for each in candidate.digests()],
        )
        parts = shared_out(found, ((each.keys, each.own) for each in candidates))
        return {
            (who, to.name): deciding.decide(to, facts, self.now).verdict is Verdict.ACCEPT
            for who, facts in zip(PEOPLE, parts, strict=True)
            for to in STREAMS
        }

    def by_the_api(self) -> dict[tuple[str, str], bool]:
        answers = {who: self.runner.run(ask(self.store, RING, {}, who, STREAMS, self.now)) for who in PEOPLE}
        return {
            (who, to.name): decision.verdict is Verdict.ACCEPT
            for who, answer in answers.items()
            for to, decision in zip(STREAMS, answer.decisions, strict=True)
        }


def key(who: str) -> bytes:
    return subject_of_address(canonical(who), RING, {}) if "@" in who else subject_of(who, RING)


class ConsentingPostgresql(Consenting):
    """The same on a server."""

    kind = "postgresql"


TestOnSqlite = Consenting.TestCase
TestOnSqlite.settings = settings(max_examples=8 * FACTOR, stateful_step_count=25, deadline=None, database=None)
TestOnPostgresql = ConsentingPostgresql.TestCase
TestOnPostgresql.settings = settings(TestOnSqlite.settings, max_examples=4 * FACTOR)


def said_first(row: Suppression) -> datetime:
    return row.created


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (patch.object(deciding, "OUTDONE", frozenset({*TAKEN_BACK, Reason.COMPLAINT})), Reason.COMPLAINT),
        (patch.object(deciding, "OUTDONE", frozenset({Reason.UNSUBSCRIBE})), Reason.IMPORTED),
        (patch.object(Suppression, "last_said", property(said_first)), Reason.UNSUBSCRIBE),
    ],
    ids=["outdoes complaints", "outdoes too little", "forgets repeats"],
)
def test_a_policy_that_is_a_little_off_would_be_noticed(broken: AbstractContextManager[object], reason: Reason) -> None:
    """The machine above can fail: here by an opt-out, an opt-in, and the opt-out again."""
    with broken, pytest.raises(AssertionError, match=r"acme\.news"):
        _wavering(reason)


@pytest.mark.parametrize("reason", Reason)
def test_the_policy_that_is_right_goes_through_the_same(reason: Reason) -> None:
    """So it is the fault that was noticed."""
    _wavering(reason)


def _wavering(reason: Reason) -> None:
    """Somebody who opts out and in by turns."""
    machine = Consenting()
    try:
        for _ in range(2):
            machine.somebody_opts_out(PEOPLE[0], "acme", reason, 0)
            machine.the_verdicts_are_those_of_the_model()
            machine.somebody_is_asked_and_confirms(PEOPLE[0], "acme.news")
            machine.the_verdicts_are_those_of_the_model()
    finally:
        machine.teardown()
