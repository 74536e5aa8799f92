"""Look-ups of the mail path, on every kind of store: complete, of now, and with no more asked than is needed."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import StoreError, StoreSetupError
from consentmilter.model import Basis, Consent, ConsentState, Reason, Suppression
from consentmilter.store import reader as readers
from consentmilter.store.reader import Reader
from consentmilter.store.writer import Store
from tests.service.emptied import emptied_store
from tests.store.reading import changed, consented, fill, listed, reading
from tests.store.stores import both_stores
from tests.store.support import KEYS, NOON, person, put, run, suppressed

pytestmark = both_stores


@pytest.fixture
def url(kind: str, tmp_path: Path) -> str:
    """The URL of an empty store that knows `KEYS`; a database of a server is emptied, and not made, for each test."""
    return emptied_store(kind, tmp_path)


def noted(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the reader runs from now on."""
    statements: list[str] = []
    pool: Any = type(reader._pool)
    fetch = pool.fetch

    def fetch_noted(own: object, statement: str, *rest: object) -> object:
        statements.append(statement)
        return fetch(own, statement, *rest)

    monkeypatch.setattr(pool, "fetch", fetch_noted)
    return statements


def test_every_field_comes_back_as_it_was_written(url: str) -> None:
    """Times as aware datetimes in UTC, reasons as reasons."""
    full = Suppression(
        person(1), "acme.news", Reason.COMPLAINT, "import", NOON,
        expires=datetime(2030, 1, 1, tzinfo=UTC), batch="b1", asserted_again=True, address="grüße@x.example",
    )  # fmt: skip
    bare = Suppression(person(2), "*", Reason.LEGAL, "cli:alice", NOON)
    fill(url, full, bare)
    with reading(url) as reader:
        found = reader.look_up([person(1), person(2)]).suppressions
    assert sorted(found, key=lambda row: row.subject) == [full, bare]


def test_consents_come_with_the_suppressions_in_one_statement(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every field, and nobody else's."""
    full = Consent(
        person(1), "acme.news", ConsentState.GRANTED, Basis.CONTRACT, NOON, True, "cli:alice", "b1", "grüße@x.example"
    )
    bare = Consent(person(1), "*", ConsentState.WITHDRAWN, Basis.CONSENT, NOON, False, "click")
    other = replace(bare, subject=person(2))
    repeated = replace(suppressed(1), asserted_again=True, repeated=NOON + timedelta(hours=1))
    fill(url, repeated)
    consented(url, full, bare, other)
    with reading(url) as reader:
        statements = noted(reader, monkeypatch)
        found = reader.look_up([person(1), person(3)])
        assert found.suppressions == [repeated]
        assert sorted(found.consents, key=lambda row: row.stream) == [bare, full]
        assert len(statements) == 1


@pytest.mark.parametrize(("column", "message"), [("state", "unknown state 'x'"), ("basis", "unknown basis 'x'")])
def test_a_consent_that_this_program_does_not_understand_is_an_error(url: str, column: str, message: str) -> None:
    """To leave a withdrawal out would let mail through."""
    consented(url, Consent(person(1), "acme", ConsentState.WITHDRAWN, Basis.CONSENT, NOON, False, "click"))
    changed(url, f"UPDATE consent SET {column} = 'x'")
    with (
        reading(url) as reader,
        pytest.raises(StoreError, match=f"the consent of {person(1).hex()} to acme: .*{message}"),
    ):
        reader.look_up([person(1)])


def test_a_reason_that_this_program_does_not_know_is_an_error(url: str) -> None:
    """Written by a newer program; leaving the row out would let mail through."""
    fill(url, suppressed(1))
    changed(url, "UPDATE suppression SET reason = 'solar_flare'")
    with reading(url) as reader, pytest.raises(StoreError, match="unknown reason 'solar_flare'"):
        reader.look_up([person(1)])


@pytest.mark.parametrize("column", ["created", "expires"])
@pytest.mark.parametrize("time", [10**15, -(10**15)])
def test_a_time_that_no_calendar_has_is_an_error_that_names_the_row(url: str, column: str, time: int) -> None:
    """To leave the row out would let mail through."""
    fill(url, suppressed(1))
    changed(url, f"UPDATE suppression SET {column} = {time}")
    with reading(url) as reader, pytest.raises(StoreError, match=f"suppression of {person(1).hex()} in .: .* time"):
        reader.look_up([person(1)])


def test_rows_come_by_subject_alone(url: str) -> None:
    """All scopes and reasons, expired ones too: what they mean is for policy to say."""
    rows = [
        suppressed(1, "*"),
        suppressed(1, "acme", Reason.IMPORTED),
        suppressed(1, "acme"),
        Suppression(person(1), "other", Reason.MANUAL, "test", NOON, expires=datetime(2001, 1, 1, tzinfo=UTC)),
    ]
    fill(url, *rows, suppressed(2))
    with reading(url) as reader:
        assert {(row.scope, row.reason) for row in reader.look_up([person(1)]).suppressions} == {
            (row.scope, row.reason) for row in rows
        }


@pytest.fixture
def crowded(url: str) -> str:
    """A store in which all people of even numbers are suppressed, up to 2500."""

    fill(url, *(suppressed(number) for number in range(0, 2500, 2)))
    return url


def test_any_number_of_subjects_is_answered_with_each_row_once(crowded: str) -> None:
    """Around each size of statement, with subjects repeated, and with strangers between."""
    with reading(crowded, deadline=10.0) as reader:
        for count in (1, 3, 4, 5, 16, 17, 64, 65, 999, 1000, 1001, 2500):
            asked = [person(number) for number in range(count)]
            found = reader.look_up([*asked, *asked[:3], asked[-1]]).suppressions
            assert sorted(row.subject for row in found) == [person(number) for number in range(0, count, 2)]


def test_any_octets_can_be_asked_for(url: str) -> None:
    """A key is no text: quotes, backslashes, percent signs and braces stand for themselves."""
    odd = [bytes([octet]) * 16 for octet in range(256)] + [b"'; DROP TABLE--{}", b"%s%(a)s{subject}"]
    fill(url, *(replace(suppressed(1), subject=each[:16]) for each in odd))
    with reading(url) as reader:
        assert {row.subject for row in reader.look_up([each[:16] for each in odd]).suppressions} == {
            each[:16] for each in odd
        }
        assert reader.look_up([b"\\x" + bytes(14)]).suppressions == []


def test_nobody_is_found_for_no_subjects(url: str) -> None:
    """A message whose every recipient was refused already."""
    fill(url, suppressed(0))
    with reading(url) as reader:
        assert reader.look_up([]).suppressions == []


def test_a_change_is_seen_by_the_next_look_up(url: str) -> None:
    """The click comes back into the same list in the same second."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with reading(url) as reader:
                for number in range(20):
                    assert reader.look_up([person(number)]).suppressions == []
                    await store.write(put(number))
                    assert len(reader.look_up([person(number)]).suppressions) == 1

    run(scene())


def test_a_look_up_neither_waits_for_a_change_nor_sees_half_of_it(url: str) -> None:
    """While an import is in the middle of a chunk."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with reading(url) as reader:

                async def job(connection: AsyncConnection) -> None:
                    await put(1)(connection)
                    assert reader.look_up([person(1)]).suppressions == []

                await store.write(job)
                assert len(reader.look_up([person(1)]).suppressions) == 1

    run(scene())


def test_many_threads_look_up_at_once(crowded: str) -> None:
    """More threads than there are pooled connections, each connection used from any of them."""
    with reading(crowded, deadline=10.0) as reader, ThreadPoolExecutor(24) as threads:
        barrier = threading.Barrier(24)

        def look_up(start: int) -> list[int]:
            barrier.wait()
            return [len(reader.look_up([person(number)]).suppressions) for number in range(start, start + 50)]

        for counts in threads.map(look_up, range(24)):
            assert sum(counts) == 25


def test_a_closed_reader_still_answers_a_late_session(url: str) -> None:
    """After a reload, sessions may end with the old reader; it keeps no connection then."""
    fill(url, suppressed(1))
    reader = Reader(url, KEYS, 2.0)
    reader.look_up([person(1)])
    reader.close()
    assert len(reader.look_up([person(1)]).suppressions) == 1
    pool: Any = reader._pool
    assert not pool._idle


# Who may be served from


def test_a_store_of_other_keys_is_refused(url: str) -> None:
    """Every look-up would miss in silence."""
    with (
        Reader(url, {"1": b"another"}, 2.0) as reader,
        pytest.raises(StoreSetupError, match="made with another key '1'"),
    ):
        reader.look_up([person(1)])


def test_a_store_that_does_not_know_the_key_is_refused(url: str) -> None:
    """As after a new key file on one node only."""
    with Reader(url, {"2": b"new"}, 2.0) as reader, pytest.raises(StoreSetupError, match="does not know the key '2'"):
        reader.look_up([person(1)])


def test_a_store_of_another_version_is_refused(url: str) -> None:
    """It says which, and what to do."""
    changed(url, "UPDATE schema_version SET version_num = '0999'")
    with reading(url) as reader, pytest.raises(StoreSetupError, match="has version 0999 of the core schema"):
        reader.look_up([person(1)])


def test_after_a_refusal_look_ups_fail_at_once_and_recover_by_themselves(url: str) -> None:
    """With the cause of the failure told; a second after the store is as it should be, it serves."""
    clock = [0.0]
    with Reader(url, KEYS, 2.0, clock=lambda: clock[0]) as reader:
        changed(url, "UPDATE key_check SET key_id = 'x'")
        with pytest.raises(StoreSetupError, match="does not know"):
            reader.look_up([person(1)])
        changed(url, "UPDATE key_check SET key_id = '1'")
        with pytest.raises(StoreError, match=r"given a rest after a failure: .* does not know the key"):
            reader.look_up([person(1)])
        clock[0] += 1.0
        assert reader.look_up([person(1)]).suppressions == []
        assert reader.look_up([person(1)]).suppressions == []


# Hash lists

DIGESTS = (b"m" * 16, b"s" * 20, b"h" * 32)


def unwanted() -> Sequence[bytes]:
    raise AssertionError("nobody needs digests here")


def test_without_hash_lists_no_digests_are_made(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One statement says both that there are none and what stands of the people."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        statements = noted(reader, monkeypatch)
        for _ in range(2):
            assert len(reader.look_up([person(1), person(2)], unwanted).suppressions) == 1
        assert len(statements) == 2
        assert "digest" not in "".join(statements)


def test_a_digest_on_a_hash_list_is_found_with_the_people(url: str) -> None:
    """Of any length; its row names no address, and says which list it is on."""
    listed(url, *DIGESTS)
    fill(url, suppressed(1))
    with reading(url) as reader:
        found = reader.look_up([person(1), person(2)], lambda: [*DIGESTS, b"x" * 32]).suppressions
        assert {row.subject: (row.origin, row.batch, row.address) for row in found} == {
            person(1): ("test", None, None)
        } | dict.fromkeys(DIGESTS, ("list:partner", "b1", None))
        assert [row.subject for row in reader.look_up([person(2)], lambda: DIGESTS[2:]).suppressions] == [DIGESTS[2]]


def test_a_hash_list_is_asked_from_the_moment_that_it_is_there(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look-up after it takes two statements, further ones one; and when the list is gone, no digests."""
    with reading(url) as reader:
        statements = noted(reader, monkeypatch)
        assert reader.look_up([person(1)], unwanted).suppressions == []
        listed(url, *DIGESTS)
        for expected in (2, 1, 1):
            statements.clear()
            assert len(reader.look_up([person(1)], lambda: DIGESTS).suppressions) == len(DIGESTS)
            assert len(statements) == expected
        changed(url, "DELETE FROM hash_suppression")
        assert reader.look_up([person(1)], lambda: DIGESTS).suppressions == []
        assert reader.look_up([person(1)], unwanted).suppressions == []


def test_a_reader_that_goes_by_what_it_remembers_would_miss_a_new_list(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which shows that the test above can fail."""
    monkeypatch.setattr(readers, "signs_of", lambda _rows: set())
    with reading(url) as reader:
        listed(url, *DIGESTS)
        assert reader.look_up([person(1)], lambda: DIGESTS).suppressions == []


def test_any_number_of_digests_is_answered_with_each_row_once(url: str) -> None:
    """Also beyond what one statement takes, among the keys of as many people."""
    digests = [bytes([length]) * (length - 4) + number.to_bytes(4) for number in range(400) for length in (16, 20, 32)]
    listed(url, *digests)
    with reading(url, deadline=10.0) as reader:
        for count in (1, 4, 5, 60, 400):
            asked = digests[: 3 * count]
            people = [person(number) for number in range(count)]
            for _ in range(2):
                found = reader.look_up(people, partial(list, [*asked, *asked[:3]])).suppressions
                assert sorted(row.subject for row in found) == sorted(asked)
