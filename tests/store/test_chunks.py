"""Many rows at once, on each kind of store: whatever they say is what the table has then, to the last character."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentmilter.store.chunks import put_rows
from consentmilter.store.ready import Rows
from consentmilter.store.said import Columns, Said
from consentmilter.store.values import Source
from consentmilter.store.writer import Store
from tests.store.reading import changed
from tests.store.stores import KINDS
from tests.store.support import KEYS, run, seen

BATCH = Source("import", "b1", 1000)
LIST = Source("list:partner", "b1", 1000, "partner")

TEXTS = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
TIMES = st.none() | st.integers(0, 2**40)
SCOPES = st.sampled_from(["*", "acme", "\\N", 'a"b', "tab\there", "\\.", "line\nend\r", "ü"])
WHAT = st.tuples(SCOPES, st.sampled_from(["imported", "complaint"]), TIMES, TIMES, TEXTS)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store."""
    return str(request.param)


def key(number: int, octets: int = 16) -> bytes:
    return number.to_bytes(octets)


def put(url: str, source: Source, rows: Sequence[Said]) -> int:
    """Put the rows in one transaction, as they are made ready for the store; how many were made."""

    async def scene() -> int:
        async with Store.open(url, KEYS) as store:
            columns = Columns.of(rows).in_order()
            ready = Rows.of(columns, (lambda: source) if store.copies else None)
            return await store.write(lambda connection: put_rows(connection, source, ready.distinct, ready.written))

    return run(scene())


@pytest.mark.parametrize("count", [1, 3, 50])
def test_rows_are_made_and_then_only_marked(url: str, count: int) -> None:
    """Few of them or many: another batch's rows mark them, the same batch's do not."""
    rows: list[Said] = [(key(n), "*", "imported", n, None, f"p{n}@x.example") for n in range(count)]
    assert put(url, BATCH, rows) == count
    assert put(url, BATCH, rows) == 0
    assert seen(url, "SELECT count(*) FROM suppression WHERE NOT asserted_again") == [(count,)]
    more: list[Said] = [*rows[1:], (key(count), "*", "imported", None, None, None)]
    assert put(url, Source("import", "b2", 2000), more) == 1
    marked = seen(url, "SELECT subject, batch, asserted_again FROM suppression ORDER BY subject")
    assert marked == [
        (key(0), "b1", False), *((key(n), "b1", True) for n in range(1, count)), (key(count), "b2", False),
    ]  # fmt: skip


def test_rows_of_several_lengths_of_digest_go_in_together(url: str) -> None:
    """As of a list that has MD5, SHA-1 and SHA-256 of each address."""
    rows: list[Said] = [
        (key(n, octets), "*", "imported", None, None, None) for n in range(30) for octets in (16, 20, 32)
    ]
    assert put(url, LIST, rows) == 90
    assert put(url, LIST, rows) == 0
    found = seen(url, "SELECT digest, list, origin, created FROM hash_suppression")
    assert sorted(found) == sorted((row[0], "partner", "list:partner", 1000) for row in rows)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(said=st.lists(WHAT, min_size=1, max_size=3), alike=st.booleans())
def test_any_text_and_any_time_go_in_as_they_are(
    url: str, said: list[tuple[str, str, int | None, int | None, str | None]], alike: bool
) -> None:
    """Quotes, ends of lines, and what is a mark in COPY or JSON; rows that are all alike, and rows that differ."""
    chosen = said[:1] if alike else said
    rows: list[Said] = [(key(n), *chosen[n % len(chosen)]) for n in range(24)]
    changed(url, "DELETE FROM suppression")
    columns = "subject, scope, reason, created, expires, address"
    for made in (len(rows), 0):  # what stands already takes another way, and says the same there
        assert put(url, BATCH, rows) == made
        found = seen(url, f"SELECT {columns} FROM suppression ORDER BY subject")
        assert found == [(*row[:3], BATCH.recorded if row[3] is None else row[3], *row[4:]) for row in rows]


def test_rows_that_nobody_wrote_before_go_in_all_the_same(url: str) -> None:
    """As those of a program that puts in many at once, and gathers none."""
    rows: list[Said] = [(key(n), "*", "imported", None, n, None) for n in range(50)]

    async def scene() -> int:
        async with Store.open(url, KEYS) as store:
            return await store.write(lambda connection: put_rows(connection, BATCH, Columns.of(rows)))

    assert run(scene()) == 50
    found = seen(url, "SELECT subject, created, expires FROM suppression ORDER BY subject")
    assert found == [(row[0], 1000, row[4]) for row in rows]


@pytest.mark.parametrize("who", [range(0, 60, 12), range(0, 60, 3), range(7, 60)], ids=["few", "some", "most"])
def test_rows_of_people_who_stand_and_of_others_go_in_together(url: str, who: range) -> None:
    """Somebody who stands for another scope or reason gets one row more; whoever lies between gets a first one."""
    standing: list[Said] = [(key(n), "*", "imported", None, None, None) for n in who]
    assert put(url, BATCH, standing) == len(who)
    rows: list[Said] = [
        *((key(n), "*", "imported", n, None, f"p{n}@x.example") for n in range(60)),
        *((key(n), "acme", "complaint", n, None, f"p{n}@x.example") for n in range(0, 60, 2)),
    ]
    assert put(url, Source("import", "b2", 2000), rows) == 90 - len(who)
    found = seen(url, "SELECT subject, scope, asserted_again, address FROM suppression")
    assert sorted(found) == sorted(
        (row[0], row[1], row[1] == "*" and row[0] in {each[0] for each in standing}, row[5]) for row in rows
    )


@pytest.mark.parametrize("source", [BATCH, LIST])
def test_rows_of_one_person_for_several_reasons_are_all_made(url: str, source: Source) -> None:
    """What all of them say is written once on the way, and the person is said of each."""
    rows: list[Said] = [(key(7), "*", reason, None, None, None) for reason in ("imported", "complaint", "objection")]
    assert put(url, source, rows) == 3
    assert put(url, source, rows) == 0
    column, table = ("subject", "suppression") if source is BATCH else ("digest", "hash_suppression")
    found = seen(url, f"SELECT {column}, reason FROM {table}")
    assert sorted(found) == sorted((row[0], row[2]) for row in rows)


def test_rows_that_say_nothing_new_are_not_written_again(url: str, kind: str) -> None:
    """Of a list that comes every week, that is most of them."""
    rows: list[Said] = [(key(n), "*", "imported", n, None, f"p{n}@x.example") for n in range(50)]
    for batch in ("b1", "b2"):
        put(url, Source("import", batch, 1000), rows)
    if kind == "sqlite":
        changed(url, "CREATE TRIGGER unwanted BEFORE UPDATE ON suppression BEGIN SELECT RAISE(ABORT, 'again'); END")
    place = "subject" if kind == "sqlite" else "ctid::text"
    before = seen(url, f"SELECT {place} FROM suppression ORDER BY subject")
    assert put(url, Source("import", "b3", 2000), rows) == 0
    assert seen(url, f"SELECT {place} FROM suppression ORDER BY subject") == before
