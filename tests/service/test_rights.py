"""What a person may ask: each request does what it says, says what it does, and weakens nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from consentmilter.errors import UsageError
from consentmilter.model import ALL, Assertion, Consent, ConsentState, Reason
from consentmilter.policy.decide import decide
from consentmilter.policy.facts import Facts
from consentmilter.service import dossier
from consentmilter.service.holds import HeldError, hold, release
from consentmilter.service.person import person_named
from consentmilter.service.rights import Effects, erase, object_to, rectify, restrict
from consentmilter.service.suppressions import assert_one, begin_batch, held, history, lift
from consentmilter.store import consents
from consentmilter.store.holds import is_restricted
from consentmilter.store.names import Name, Names
from consentmilter.store.writer import Store
from tests.files import import_rows
from tests.service.people import (
    ALICE,
    DRY,
    HAND,
    LATER,
    Databases,
    address,
    consented,
    databases,
    journalled,
    known_in_every_way,
    listed,
    named,
    opened,
    opt_out,
    wrote,
)
from tests.store.stores import KINDS
from tests.store.support import KEYS, NOON, person, run
from tests.unit.making import RING, stream

NEWSLETTER = stream("acme.news")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store, unless it says on which."""
    return str(request.param)


@pytest.fixture
def site(url: str) -> Databases:
    return databases(url)


def done(effects: Effects) -> dict[str, int]:
    """What was done, in short."""
    return {f"{effect.what} {effect.done}": effect.count for effect in effects}


async def states(store: Store, number: int) -> dict[str, ConsentState]:
    found = await store.read(lambda connection: consents.of_subjects(connection, [person(number)]))
    return {each.stream: each.state for each in found}


async def is_sent(store: Store, number: int) -> bool:
    """Whether the newsletter would go to the person."""
    keys = [person(number), *named(number).digests]
    facts = await store.read(lambda connection: consents.facts(connection, keys))
    return decide(NEWSLETTER, Facts(facts.suppressions, facts.consents, frozenset(keys)), LATER).verdict == "accept"


# Erasure


def test_an_erasure_leaves_the_key_and_the_opt_out_and_nothing_else(site: Databases) -> None:
    """Whatever was held in whichever table; and it says what it did."""

    async def scene() -> None:
        async with opened(site) as store:
            await known_in_every_way(store, site, 1)
            effects = await erase(store, site.journal, named(1), HAND)
            assert done(effects) == {
                "suppressions kept without the address": 1,
                "consents withdrawn": 1,
                "reviews removed": 1,
                "confirmations removed": 1,
                "bounces removed": 1,
                "journal kept without the key": 1,
                "ledger evidence blanked": 1,
            }
            assert [(row.scope, row.reason) for row in await held(store, [person(1)])] == [("acme", Reason.UNSUBSCRIBE)]
            assert await states(store, 1) == {"acme.news": ConsentState.WITHDRAWN}
            assert not await is_sent(store, 1)

    run(scene())
    assert site.rows("SELECT address FROM suppression UNION SELECT address FROM consent WHERE address <> ''") == [("",)]
    assert [site.rows(f"SELECT * FROM {table}") for table in ("review", "confirmation", "soft_bounce")] == [[], [], []]
    assert site.verdicts() == [("r1", None)]
    assert site.rows("SELECT action FROM ledger WHERE subject IS NOT NULL ORDER BY id") == [
        ("add",),
        ("withdraw",),
        ("erase",),
    ]
    site.refuse_altered()


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_after_an_erasure_no_octet_of_the_address_is_left_in_the_files(site: Databases) -> None:
    """Nor in pages that are free again, once nobody has the database open; a mail to the person brings none back."""

    async def scene(work: bool) -> None:
        async with opened(site) as store:
            if not work:
                await known_in_every_way(store, site, 1)
            else:
                await erase(store, site.journal, named(1), HAND)

    run(scene(False))
    assert site.holds_octets(address(1))
    run(scene(True))
    assert not site.holds_octets(address(1))
    names = Names(site.url, KEYS, pytest.fail)
    names.put(Name(person(1), address(1)))
    names.close(10)
    assert not site.holds_octets(address(1))


def test_who_was_erased_and_imported_again_stays_without_an_address_and_gets_no_mail(site: Databases) -> None:
    """The same file in a new import, a mail that the milter refuses by name: neither brings the address back."""

    async def scene() -> None:
        async with opened(site) as store:
            await opt_out(store, 1, ALL, Reason.IMPORTED)
            await erase(store, site.journal, named(1), HAND)
            batch = await begin_batch(store, "list.csv", b"digest", ALICE, ALL, Reason.IMPORTED)
            said = Assertion(person(1), address(1), ALL, Reason.IMPORTED)
            await import_rows(store, batch, [said], ALICE)
            assert not await is_sent(store, 1)

    run(scene())
    names = Names(site.url, KEYS, pytest.fail)
    names.put(Name(person(1), address(1)))
    names.close(10)
    assert site.rows("SELECT address FROM suppression") == [("",)]


def test_a_click_has_no_address_and_gets_none_after_an_erasure(site: Databases) -> None:
    """What the milter would have filled in later is not filled in."""

    async def scene() -> None:
        async with opened(site) as store:
            await assert_one(store, Assertion(person(1), None, "acme", Reason.UNSUBSCRIBE), ALICE)
            await erase(store, site.journal, named(1), HAND)

    run(scene())
    names = Names(site.url, KEYS, pytest.fail)
    names.put(Name(person(1), address(1)))
    names.put(Name(person(2), address(2)))
    names.close(10)
    assert site.rows("SELECT address FROM suppression") == [("",)]


def test_the_export_of_an_erased_person_shows_only_what_may_remain(site: Databases) -> None:
    """The key, what keeps them from being mailed, and that it happened; a partner's digest, which is the opt-out."""

    async def scene() -> None:
        async with opened(site) as store:
            await known_in_every_way(store, site, 1)
            await erase(store, site.journal, named(1), HAND)
            data = dossier.told(await dossier.gather(store, site.journal, named(1)), LATER)
            assert {name for name, found in data.items() if found} == {
                *("subject", "keys", "made"), "suppressions", "hash_lists", "imports", "consents", "ledger",
            }  # fmt: skip
            assert [row["address"] for row in [*data["suppressions"], *data["consents"]]] == [None, None]
            evidence = {entry["action"]: entry["evidence"] for entry in data["ledger"]}
            assert evidence == {"add": {}, "withdraw": {}, "erase": {"evidence": "ticket 4711"}}
            assert address(1) not in str({**data, "subject": None})

    run(scene())


def test_a_second_erasure_finds_nothing_and_notes_nothing(site: Databases) -> None:
    """Nor does one of somebody nobody ever heard of."""

    async def scene() -> None:
        async with opened(site) as store:
            await known_in_every_way(store, site, 1)
            await erase(store, site.journal, named(1), HAND)
            before = site.everything()
            assert await erase(store, site.journal, named(1), HAND) == ()
            assert await erase(store, site.journal, named(2), HAND) == ()
            assert site.everything() == before

    run(scene())


def test_an_erasure_that_was_cut_short_before_the_journal_is_completed_by_the_next(site: Databases) -> None:
    """The list goes first; the rows of the journal are found again."""

    async def scene() -> None:
        async with opened(site) as store:
            await opt_out(store, 1)
            await erase(store, site.journal, named(1), HAND)
            journalled(site, 1)
            assert done(await erase(store, site.journal, named(1), HAND)) == {"journal kept without the key": 1}

    run(scene())
    assert site.verdicts() == [("r1", None)]


def test_nobody_else_is_touched_by_an_erasure(site: Databases) -> None:
    """All that is held of the next person stays to the octet."""

    async def scene() -> None:
        async with opened(site) as store:
            await known_in_every_way(store, site, 2)
            before = site.everything()
            await known_in_every_way(store, site, 1)
            await erase(store, site.journal, named(1), HAND)
            after = site.everything()
            for table in before.keys() - {"given"}:
                assert set(map(repr, before[table])) <= set(map(repr, after[table])), table

    run(scene())


def test_what_nobody_has_read_yet_keeps_a_person_from_being_erased(site: Databases) -> None:
    """It may ask for something that nobody would do then."""

    async def scene() -> None:
        async with opened(site) as store:
            await opt_out(store, 1)
            await wrote(store, 1, read=False)
            before = site.everything()
            with pytest.raises(HeldError, match="`consentmilter review id1` first"):
                await erase(store, site.journal, named(1), HAND)
            assert site.everything() == before

    run(scene())


@pytest.mark.parametrize("evidence", [None, "ticket 4711"])
def test_a_dry_run_says_what_would_happen_and_changes_nothing(site: Databases, evidence: str | None) -> None:
    """Not a row, and not even an id that would be missing in the ledger."""

    async def scene() -> None:
        async with opened(site) as store:
            await known_in_every_way(store, site, 1)
            before = site.everything()
            dry, real = replace(DRY, evidence=evidence), replace(HAND, evidence=evidence)
            foreseen = [
                await rectify(store, named(1), named(2), dry),
                await restrict(store, named(1), dry),
                await object_to(store, named(1), "acme", dry),
                await erase(store, site.journal, named(1), dry),
            ]
            assert site.everything() == before
            assert await erase(store, site.journal, named(1), real) == foreseen[-1]
            assert all(foreseen)

    run(scene())


# Legal holds


def test_a_legal_hold_stops_an_erasure_until_it_ends(site: Databases) -> None:
    """With a message that says who set it, when, for what cause, and how it ends."""

    async def scene() -> None:
        async with opened(site) as store:
            await known_in_every_way(store, site, 1)
            assert await hold(store, named(1), ALICE, cause="Reader v. Acme", now=lambda: NOON) is None
            before = site.everything()
            with pytest.raises(HeldError, match=r"2026-03-01 12:00 UTC by cli:alice: Reader v\. Acme.*release"):
                await erase(store, site.journal, named(1), HAND)
            with pytest.raises(HeldError):
                await erase(store, site.journal, named(1), DRY)
            assert site.everything() == before
            ended = await release(store, named(1), ALICE, evidence="settled")
            assert ended is not None
            assert ended.cause == "Reader v. Acme"
            assert await erase(store, site.journal, named(1), HAND)

    run(scene())


def test_a_hold_is_set_and_ended_once(site: Databases) -> None:
    """The first cause stays, and the ledger has an entry for each change and no other."""

    async def scene() -> None:
        async with opened(site) as store:
            assert await release(store, named(1), ALICE, evidence="none") is None
            await hold(store, named(1), ALICE, cause="first")
            again = await hold(store, named(1), ALICE, cause="second")
            assert again is not None
            assert again.cause == "first"
            await release(store, named(1), ALICE, evidence="over")
            entries = await history(store, [person(1)])
            told = [(entry.action, dict(entry.evidence.data) if entry.evidence else None) for entry in entries]
            assert told == [("hold", {"evidence": "first"}), ("release", {"evidence": "over"})]

    run(scene())


def test_a_hold_is_completed_where_the_person_got_a_second_key(site: Databases) -> None:
    """As a folding that is set later gives them; both are released together."""
    both = replace(named(1), keys=(person(9), person(1)))

    async def scene() -> None:
        async with opened(site) as store:
            await hold(store, named(1), ALICE, cause="first")
            assert await hold(store, both, ALICE, cause="second") is None
            assert len(site.rows("SELECT * FROM legal_hold")) == 2
            await release(store, both, ALICE, evidence="over")
            assert site.rows("SELECT * FROM legal_hold") == []

    run(scene())


# Rectification


def test_every_opt_out_of_the_old_address_holds_for_both(site: Databases) -> None:
    """That of a partner's hash list as well, since when it held, and as long; what is over stays behind."""
    until = LATER + timedelta(days=30)

    async def scene() -> None:
        async with opened(site) as store:
            await opt_out(store, 1, "acme", expires=until)
            await opt_out(store, 1, ALL, Reason.COMPLAINT)
            await opt_out(store, 1, "other", expires=NOON)
            await listed(store, 1)
            before = await held(store, [person(1)])
            effects = await rectify(store, named(1), named(2), HAND)
            assert done(effects) == {"suppressions made": 3}
            assert await held(store, [person(1)]) == before
            rows = {(row.scope, row.reason): row for row in await held(store, [person(2)])}
            assert set(rows) == {("acme", Reason.UNSUBSCRIBE), (ALL, Reason.COMPLAINT), (ALL, Reason.IMPORTED)}
            assert rows["acme", Reason.UNSUBSCRIBE].created == NOON
            assert rows["acme", Reason.UNSUBSCRIBE].expires == until
            assert {row.address for row in rows.values()} == {address(2)}
            assert not await is_sent(store, 2)

    run(scene())


def test_a_moved_opt_out_only_ever_makes_the_new_address_stricter(site: Databases) -> None:
    """What it has already is asserted again, and not shortened."""

    async def scene() -> None:
        async with opened(site) as store:
            await opt_out(store, 1, expires=LATER + timedelta(days=1))
            await opt_out(store, 2)
            effects = await rectify(store, named(1), named(2), HAND)
            assert done(effects) == {"suppressions asserted again": 1}
            [row] = await held(store, [person(2)])
            assert (row.expires, row.asserted_again) == (None, True)

    run(scene())


@pytest.mark.parametrize(
    ("old", "new", "becomes"),
    [
        (ConsentState.GRANTED, None, ConsentState.GRANTED),
        (ConsentState.GRANTED, ConsentState.WITHDRAWN, ConsentState.WITHDRAWN),
        (ConsentState.WITHDRAWN, ConsentState.GRANTED, ConsentState.WITHDRAWN),
        (ConsentState.WITHDRAWN, None, ConsentState.WITHDRAWN),
        (ConsentState.REQUESTED, None, None),
        (ConsentState.REQUESTED, ConsentState.GRANTED, ConsentState.GRANTED),
    ],
)
def test_consents_move_and_the_stricter_of_two_stays(
    site: Databases, old: ConsentState, new: ConsentState | None, becomes: ConsentState | None
) -> None:
    """At the old address nothing is agreed to any more."""

    async def scene() -> None:
        async with opened(site) as store:
            await consented(store, 1, old, confirmed=old is ConsentState.GRANTED)
            if new is not None:
                await consented(store, 2, new)
            await rectify(store, named(1), named(2), HAND)
            assert (await states(store, 2)).get("acme.news") == becomes
            assert await states(store, 1) == {"acme.news": ConsentState.WITHDRAWN}

    run(scene())
    site.refuse_altered()


def test_a_moved_consent_overrides_no_opt_out_of_the_new_address(site: Databases) -> None:
    """It was confirmed by the old one's reader, whoever reads the new one."""

    async def scene() -> None:
        async with opened(site) as store:
            old = Consent(
                person(1),
                "acme.news",
                ConsentState.GRANTED,
                stream("a").category.basis,
                LATER,
                True,
                "test",
                None,
                None,
            )
            await store.write(lambda connection: consents.put(connection, [old]))
            await opt_out(store, 2)
            assert await is_sent(store, 1)
            await rectify(store, named(1), named(2), HAND)
            assert not await is_sent(store, 2)

    run(scene())


def test_the_ledger_tells_of_a_move_at_both_addresses_and_names_neither_at_the_other(site: Databases) -> None:
    """So that erasing one of them leaves nothing of it at the other."""

    async def scene() -> None:
        async with opened(site) as store:
            await opt_out(store, 1)
            await rectify(store, named(1), named(2), HAND)
            for own, other in ((1, 2), (2, 1)):
                entries = await history(store, [person(own)])
                told = [str(entry.evidence.data) for entry in entries if entry.evidence]
                assert entries[-1].action == "rectify"
                assert person(other).hex() in told[-1]
                assert "ticket 4711" in told[-1]
                assert address(other) not in "".join(told)

    run(scene())


def test_nothing_moves_where_nothing_is_held_or_both_are_the_same(site: Databases) -> None:
    """And the ledger says nothing of it."""

    async def scene() -> None:
        async with opened(site) as store:
            assert await rectify(store, named(1), named(2), HAND) == ()
            with pytest.raises(UsageError, match="the same person already"):
                await rectify(store, named(1), named(1), HAND)

    run(scene())
    assert site.rows("SELECT * FROM ledger") == []


# Restriction and objection


def test_a_restriction_stops_exempt_mail_too_and_lasts_until_it_is_lifted(site: Databases) -> None:
    """It is a suppression like others, and the ledger says that it is more."""
    security = stream("acme.security", "security-patch")

    async def scene() -> None:
        async with opened(site) as store:
            assert done(await restrict(store, named(1), HAND)) == {"suppressions made": 1}
            rows = await held(store, [person(1)])
            assert decide(security, Facts(rows), LATER).verdict == "reject"
            assert [entry.action for entry in await history(store, [person(1)])] == ["add", "restrict"]
            assert await store.read(lambda connection: is_restricted(connection, [person(1), person(2)]))
            await lift(store, person(1), evidence="settled", actor=ALICE)
            assert not await store.read(lambda connection: is_restricted(connection, [person(1)]))
            await opt_out(store, 1, ALL, Reason.LEGAL)
            assert not await store.read(lambda connection: is_restricted(connection, [person(1)]))

    run(scene())


def test_a_restriction_follows_to_the_new_address(site: Databases) -> None:
    """The data there is about the same person."""

    async def scene() -> None:
        async with opened(site) as store:
            await restrict(store, named(1), HAND)
            await rectify(store, named(1), named(2), HAND)
            assert await store.read(lambda connection: is_restricted(connection, [person(2)]))

    run(scene())


def test_an_objection_beats_a_later_confirmed_consent(site: Databases) -> None:
    """In the organisation it is about, and nowhere else."""

    async def scene() -> None:
        async with opened(site) as store:
            await object_to(store, named(1), "acme", HAND)
            await consented(store, 1, ConsentState.GRANTED, confirmed=True)
            assert not await is_sent(store, 1)
            [row] = await held(store, [person(1)])
            assert (row.scope, row.reason, row.address) == ("acme", Reason.OBJECTION, address(1))
            assert [entry.action for entry in await history(store, [person(1)])] == ["add", "object"]
            assert decide(stream("other.news"), Facts([row]), LATER).verdict == "accept"

    run(scene())


def test_without_stored_addresses_no_request_stores_one(site: Databases) -> None:
    """Neither in the list nor in the ledger."""

    async def scene() -> None:
        async with opened(site) as store:
            for number in (1, 2):
                await restrict(store, named(number, stored=False), HAND)
            await rectify(store, named(1, stored=False), named(3, stored=False), HAND)
            await object_to(store, named(1, stored=False), ALL, HAND)

    run(scene())
    assert not any(site.holds_octets(address(number)) for number in (1, 2, 3))


# Who a person is, and what is held of them


def test_a_person_is_named_by_an_address_however_it_is_written() -> None:
    """With the keys and digests under which anything may stand; a domain is nobody."""
    one = person_named(" Reader@Example.NET", RING, {}, store_addresses=True)
    same = person_named("reader@example.net", RING, {}, store_addresses=False)
    assert (one.address, one.keys) == (same.address, same.keys)
    assert (one.stored, same.stored, len(one.keys)) == ("reader@example.net", None, 1)
    # A hash list may hold the address as it was written, too.
    assert set(same.digests) < set(one.digests)
    with pytest.raises(UsageError, match="named by an address"):
        person_named("example.net", RING, {}, store_addresses=True)


def test_the_dossier_has_whatever_is_held_wherever_it_stands(site: Databases) -> None:
    """And nothing of anybody else."""

    async def scene() -> None:
        async with opened(site) as store:
            await known_in_every_way(store, site, 1)
            await known_in_every_way(store, site, 2)
            await hold(store, named(1), ALICE, cause="Reader v. Acme")
            found = await dossier.gather(store, site.journal, named(1))
            data = dossier.told(found, LATER)
            assert all(data.values())
            assert address(2) not in str(data)
            assert data["hash_lists"][0]["list"] == "partner"
            assert data["hash_lists"][0]["algorithm"] == "SHA-256"
            assert [each["file"] for each in data["imports"]] == ["partner.csv"]
            assert data["bounces"] == [{"scope": "acme", "day": "2024-10-04", "count": 1}]
            assert data["journal"][0]["ref"] == "r1"

    run(scene())


def test_a_dossier_that_is_handed_out_is_noted_with_the_digest_of_what_it_said(site: Databases) -> None:
    """So that it can be told later whether a paper is the one that was handed out."""

    async def scene() -> None:
        async with opened(site) as store:
            await opt_out(store, 1)
            found = await dossier.gather(store, site.journal, named(1))
            await dossier.note(store, found, b"octets", ALICE, "ticket 4711", now=lambda: LATER)
            entry = (await history(store, [person(1)]))[-1]
            assert (entry.action, entry.count, entry.at) == ("export", len(found), LATER)
            assert entry.digest is not None
            assert entry.evidence is not None
            assert dict(entry.evidence.data) == {"evidence": "ticket 4711"}

    run(scene())
