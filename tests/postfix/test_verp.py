"""Bounce addresses, copies for the self-check, and names for suppressions, on a real Postfix."""

import asyncio
import sqlite3
from contextlib import closing

from consentmilter.keys import subject_of
from consentmilter.model import Assertion, Reason
from consentmilter.service.keyfile import read_keys
from consentmilter.service.suppressions import Actor, assert_one
from consentmilter.store.writer import Store
from consentmilter.tokens import Purpose, read
from lab.messages import message
from lab.process import wait_for
from lab.system import System
from tests.postfix.conftest import Start, stream

BOUNCE = {"unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com", "bounce": "b@example.com"}}


def test_mail_to_one_person_leaves_with_a_bounce_address_of_their_own(start: Start) -> None:
    """The receiving server sees it as MAIL FROM; mail to two people keeps its sender."""
    system = start(config={**stream(verp=True), **BOUNCE})
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org").expects(250)
        smtp.send(message(), "ann@example.org", "eve@example.org").expects(250)
    own, shared = sorted(system.sink.wait(2), key=lambda delivered: len(delivered.rcpt_tos))
    local, _, domain = own.mail_from.partition("@")
    assert domain == "example.com"
    ring = read_keys(system.directory / "keys.yaml")
    token = read(local.removeprefix("b+"), Purpose.BOUNCE, ring)
    assert token.subject == subject_of("ann@example.org", ring)
    assert shared.mail_from == "news@test.example"


def test_a_copy_goes_to_the_self_check(start: Start) -> None:
    """Once: the second message of the stream comes too soon after the first."""
    system = start(config={"milter": {"self_check": "check@example.com"}})
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org").expects(250)
        smtp.send(message(), "eve@example.org").expects(250)
    system.postfix.wait_empty()
    people = sorted(to for delivered in system.sink.messages for to in delivered.rcpt_tos)
    assert people == ["ann@example.org", "check@example.com", "eve@example.org"]


def test_the_one_click_field_is_withheld_as_soon_as_the_check_fails(start_own: Start) -> None:
    """The milter looks every ten seconds, and says so in the log; so soon as it is covered again, it comes back."""
    system = start_own(config={"milter": {"self_check": "check@example.com"}})
    with closing(sqlite3.connect(system.store_file)) as database, database:
        database.execute("INSERT INTO dkim_check VALUES ('acme.newsletter', 0, 0, 'List-Unsubscribe-Post')")
    wait_for(lambda: len(system.events("one_click_withheld")) >= 2, "both workers know")
    assert system.events("one_click_withheld")[0]["streams"] == ["acme.newsletter"]
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "copied@example.org").expects(250)
        smtp.send(message(), "ann@example.org").expects(250)
    system.postfix.wait_empty()
    [delivered] = [each for each in system.sink.messages if each.rcpt_tos == ("ann@example.org",)]
    assert "/u/" in delivered.headers("List-Unsubscribe")[0]
    assert delivered.headers("List-Unsubscribe-Post") == []


def test_a_suppression_made_by_a_click_gets_its_address_at_the_next_refusal(system: System) -> None:
    """A token holds no address; the mail that is refused does."""
    click(system, "ann@example.org")
    assert addresses(system) == [None]
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("Ann@Example.org").expects(550)
        wait_for(lambda: addresses(system) == ["ann@example.org"], "the address is filled in")


def test_where_addresses_are_not_stored_none_is_filled_in(start: Start) -> None:
    """`privacy.store_addresses: false` holds for clicks too."""
    system = start(config={"privacy": {"store_addresses": False}})
    click(system, "ann@example.org")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(550)
    system.journal()  # written by a thread like the one that would fill in
    assert addresses(system) == [None]


def click(system: System, who: str) -> None:
    """What the web pages do."""
    ring = read_keys(system.directory / "keys.yaml")
    said = Assertion(subject_of(who, ring), None, "acme.newsletter", Reason.UNSUBSCRIBE)

    async def add() -> None:
        async with Store.open(f"sqlite:///{system.store_file}", ring.checks()) as store:
            await assert_one(store, said, Actor("", "click"))

    asyncio.run(add())


def addresses(system: System) -> list[str | None]:
    with closing(sqlite3.connect(system.store_file)) as database:
        return [address for (address,) in database.execute("SELECT address FROM suppression")]
