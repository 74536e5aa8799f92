"""deploy/postfix at work: each kind of site, with its own configuration, on a real Postfix.

Only what a laboratory must change is changed: ports, chroot, TLS, the networks of known machines, and observe to
enforce; and one worker does.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.directory import public_directory
from lab.messages import message
from lab.opendkim import OpenDkim
from lab.ports import free_port
from lab.postfix import cannot_run
from lab.postfix_files import Service
from lab.process import wait_for
from lab.system import System
from tests.docs.pages import page
from tests.docs.postfix_fragments import services, settings, text

SITE = {
    "mode": "enforce",
    "unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com"},
    "milter": {"workers": 1},
}
NO_TLS = {"smtpd_tls_security_level": "none", "smtpd_tls_auth_only": "no"}
SECURITY = {"X-Consent-Stream": "acme.security"}

SLOW = 60.0
"""Seconds for such a campaign, on a busy machine; at a second for each error it would take more than twice as long."""

OUTSIDE = {
    "smtp_generic_maps": "inline:{ {news@acme.example = changed@acme.example} }",
    "smtp_header_checks": "regexp:{ {/^X-/ IGNORE} }",
}

STALE = 150
"""Refused recipients of one campaign: far more than the 20 errors after which Postfix hangs up by default."""

Start = Callable[..., System]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a site by its name; `main` and `options` (by listener) are laid over the fragments."""
    if (why := cannot_run()) is not None:
        pytest.skip(why)
    with ExitStack() as stack:

        def start_one(site: str, **overlay: Any) -> System:
            directory = stack.enter_context(public_directory())
            return stack.enter_context(_site(directory, site, **overlay))

        yield start_one


def test_the_marketing_port_refuses_who_opted_out_and_gives_others_their_link(start: Start) -> None:
    """Site (a), with nothing signing: an empty signing_milters is no error."""
    system = start("submission")
    system.suppress("bob@example.org")
    with system.client("campaigns", login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("bob@example.org").expects(550, "opted out")
        smtp.rcpt("ann@example.org").expects(250)
        smtp.data(message()).expects(250)
    [copy] = system.sink.wait()
    assert copy.rcpt_tos == ("ann@example.org",)
    assert copy.headers("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    with system.client("campaigns") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(554)
    with system.client("campaigns", login="newsletter") as smtp:
        smtp.mail("news").expects(250)
        smtp.rcpt("ann@example.org").expects(504)


def test_a_campaign_to_a_stale_list_is_neither_slowed_down_nor_cut_off(start: Start) -> None:
    """One message a recipient, each refused and reset, as campaign software does it."""
    system = start("submission")
    system.suppress("gone.example")
    began = time.monotonic()
    assert _refusals(system) == STALE
    assert time.monotonic() - began < SLOW


@pytest.mark.parametrize("left_out", ["smtpd_hard_error_limit", "smtpd_junk_command_limit"])
def test_without_the_error_limits_the_campaign_is_cut_off(start: Start, left_out: str) -> None:
    """The test above can fail: by default at 20 errors, and resets count as well from the 100th on."""
    limits = {"smtpd_hard_error_limit": str(STALE), "smtpd_soft_error_limit": "10000"}
    defaults = {"smtpd_hard_error_limit": "20", "smtpd_junk_command_limit": "100"}
    system = start("submission", options={"campaigns": {**limits, left_out: defaults[left_out]}})
    system.suppress("gone.example")
    assert _refusals(system) < STALE


def test_one_port_tells_people_and_programs_apart_by_login(start: Start) -> None:
    """Site (b): the newsletter is refused, people's own mail goes, and only the right login may claim security."""
    system = start("mixed")
    system.suppress("bob@example.org")
    with system.client("submission", login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("bob@example.org").expects(550, "opted out")
    with system.client("submission", login="alice") as smtp:
        smtp.send(message(subject="lunch?"), "bob@example.org", sender="alice@acme.example").expects(250)
    with system.client("submission", login="release-bot") as smtp:
        smtp.send(message(headers=SECURITY), "bob@example.org", sender="bot@acme.example").expects(250)
        smtp.send(message(subject="1.2.3"), "bob@example.org", sender="bot@acme.example").expects(550, "opted out")
    with system.client("submission", login="alice") as smtp:
        claim = message(headers=SECURITY)
        smtp.send(claim, "bob@example.org", sender="alice@acme.example").expects(550, "opted out")
    system.postfix.wait_empty()
    assert len(system.sink.to("bob@example.org")) == 2


def test_a_relay_tells_applications_apart_by_their_ports(start: Start) -> None:
    """Site (c): campaigns are refused, orders and security notices go, and strangers get nowhere."""
    system = start("relay")
    system.suppress("bob@example.org")
    with system.client("crm") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("bob@example.org").expects(550, "opted out")
    for listener in ("shop", "builds"):
        with system.client(listener) as smtp:
            smtp.send(message(), "bob@example.org", sender="app@acme.example").expects(250)
    system.postfix.wait_empty()
    assert len(system.sink.to("bob@example.org")) == 2
    assert {decision["right"] for decision in system.decisions(3)} == {"listener"}


def test_a_relay_listener_takes_mail_of_its_own_machines_only(start: Start) -> None:
    """With the networks of the fragment, loopback is a stranger."""
    system = start("relay", networks=None)
    for listener in ("crm", "shop", "builds"):
        with system.client(listener) as smtp:
            smtp.mail("app@acme.example").expects(250)
            smtp.rcpt("ann@example.org").expects(554, "Client host rejected")


def test_the_loop_gives_everybody_a_signed_copy_with_a_link_of_their_own(start: Start) -> None:
    """Site (d): one message in, a message for each recipient out, and no trace of the way round."""
    with public_directory() as directory, OpenDkim(directory, domain="acme.example") as signer:
        system = start("loop", main={"signing_milters": signer.socket})
        system.suppress("bob@example.org")
        with system.client("campaigns", login="newsletter") as smtp:
            smtp.mail("news@acme.example").expects(250)
            smtp.rcpt("bob@example.org").expects(550, "opted out")
            smtp.rcpt("ann@example.org").expects(250)
            smtp.rcpt("eve@example.org").expects(250)
            smtp.data(message(sender="news@acme.example")).expects(250)
        copies = system.sink.wait(2)
        results = [signer.verify(copy.content) for copy in copies]
    assert sorted(copy.rcpt_tos for copy in copies) == [("ann@example.org",), ("eve@example.org",)]
    assert len({copy.headers("List-Unsubscribe")[0] for copy in copies}) == 2
    assert all(len(copy.headers("DKIM-Signature")) == 1 for copy in copies)
    assert all(result.valid and "list-unsubscribe-post" in result.signed_headers for result in results)
    assert all(copy.headers("X-Consent-Route") == [] for copy in copies)


def test_settings_for_the_way_out_do_not_disturb_the_way_round(start: Start) -> None:
    """Rewriting and header checks of main.cf are for mail that leaves the system."""
    system = start("loop", main=OUTSIDE)
    with system.client("campaigns", login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org", sender="news@acme.example").expects(250)
    [copy] = system.sink.wait()
    assert copy.headers("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    assert system.events("route_refused") == []


def test_without_the_lines_of_the_transport_they_would(start: Start) -> None:
    """The test above can fail: the second pass then finds no valid statement, and the mail waits."""
    system = start("loop", main=OUTSIDE, options={"consent-split": OUTSIDE})
    with system.client("campaigns", login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org", sender="news@acme.example").expects(250)
    wait_for(lambda: system.events("route_refused"), "the refusal of the route")
    assert system.sink.messages == []


def test_the_people_behind_an_alias_are_not_checked_unless_it_is_expanded_between_the_passes(start: Start) -> None:
    """The page says how: the address mappings move from the second listener to the first."""
    alias = {"virtual_alias_maps": "inline:{ {all@acme.example = bob@example.org, ann@example.org} }"}
    unchecked = start("loop", main=alias)
    _to_alias(unchecked)
    assert len(unchecked.sink.to("bob@example.org")) == 1
    first, second = re.findall(r"receive_override_options=(\S+)", page("postfix.md").partition("an alias")[2])
    options = {"campaigns": {"receive_override_options": first}, "consent-loop": {"receive_override_options": second}}
    checked = start("loop", main=alias, options=options)
    _to_alias(checked)
    assert checked.sink.to("bob@example.org") == []
    [copy] = checked.sink.to("ann@example.org")
    assert copy.headers("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    [bounce] = checked.sink.to("news@acme.example")
    assert b"bob@example.org" in bounce.content


def test_a_requeued_message_loses_its_way_through_the_loop(start: Start) -> None:
    """postsuper -r is a way around that the page names: pickup(8) puts its own content filter in place."""
    system = start("loop", main={"defer_transports": "consent-split"})
    with system.client("campaigns", login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org", "eve@example.org", sender="news@acme.example").expects(250)
    wait_for(lambda: [entry for entry in system.postfix.queue() if entry.queue == "deferred"], "the deferral")
    system.postfix.tool("postsuper", "-r", "ALL")
    system.postfix.sendmail(message(subject="wakes pickup"), "root@example.org")
    wait_for(lambda: system.sink.to("ann@example.org"), "the requeued message")
    [copy] = system.sink.to("ann@example.org")
    assert copy.rcpt_tos == ("ann@example.org", "eve@example.org")
    assert copy.headers("X-Consent-Route") != []


def _to_alias(system: System) -> None:
    system.suppress("bob@example.org")
    with system.client("campaigns", login="newsletter") as smtp:
        smtp.send(message(), "all@acme.example", sender="news@acme.example").expects(250)
    system.postfix.wait_empty()


def _refusals(system: System) -> int:
    """How many recipients of a stale list were refused before the client was told to go away."""
    with system.client("campaigns", login="newsletter") as smtp:
        for number in range(STALE):
            try:
                smtp.mail("news@acme.example").expects(250)
                smtp.rcpt(f"person{number}@gone.example").expects(550)
                smtp.rset().expects(250)
            except (OSError, AssertionError):
                return number
    return STALE


def _site(
    directory: Path,
    site: str,
    *,
    main: dict[str, str] | None = None,
    options: dict[str, dict[str, str]] | None = None,
    networks: str | None = "127.0.0.1/32",
) -> System:
    """The site of that name, in the laboratory."""
    port = free_port()
    listeners, transports = [], []
    for service in services(site):
        given = {key: value.replace("10587", str(port)) for key, value in service.options.items()}
        name = given.get("milter_macro_daemon_name", service.name)
        given |= {key: value for key, value in NO_TLS.items() if key in given}
        if networks and "mynetworks" in given:
            given["mynetworks"] = networks
        given |= (options or {}).get(name, {})
        if service.program == "smtpd":
            listeners.append(Service(name, port if name == "consent-loop" else 0, given))
        else:
            lines = [f"  -o {{{key} = {value}}}" for key, value in given.items()]
            transports.append("\n".join([f"{name} unix - - n - - {service.program}", *lines]))
    whole = {key: re.sub(r"unix:consentmilter/\S+sock", "{milter}", value) for key, value in settings(site).items()}
    whole |= {"signing_milters": "", **(main or {})}
    config = {**yaml.safe_load(text(site, "consentmilter.yaml")), **SITE}
    return System(directory, config=config, services=listeners, main=whole, master=transports)
