"""The configuration: what it accepts, what it means, and what it says when it is broken."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml

from consentmilter.addresses import Folding
from consentmilter.config import Config, load, parse
from consentmilter.config.check import find_warnings
from consentmilter.config.compile import compile_site
from consentmilter.config.types import MAX_STREAM_NAME
from consentmilter.errors import ConfigError
from consentmilter.model import Basis, Mode, Reason, Verdict
from consentmilter.policy.categories import BUILT_IN, OPT_OUTS, Category
from consentmilter.policy.site import (
    Existing,
    FalseClaim,
    Mixed,
    MultiRecipient,
    Organisation,
    Site,
    Stream,
    Unclassified,
)

BROKEN = Path(__file__).parent / "broken"
CASES = sorted(BROKEN.glob("*.yaml"))

MINIMAL = "streams: {acme.newsletter: {title: Weekly newsletter}}\nclassify: [{login: news, stream: acme.newsletter}]\n"

FULL = """\
mode: enforce
store: {url: "sqlite:////srv/list.db", journal: "sqlite:////srv/journal.db"}
keys: {file: /srv/keys.yaml}
milter:
  {socket: "inet:127.0.0.1:8891", socket_mode: "0600", socket_group: null, workers: 4, deadline: 500ms, drain: 1h,
   self_check: check@example.com}
unsubscribe: {url: "https://u.example.com/", mailto: Unsubscribe@Example.com, bounce: bounce@example.com}
web: {listen: "127.0.0.1:8025", trusted_proxies: 10.1.0.5, pages_per_minute: 60, logo: /srv/logo.svg, accent: "#FF0000",
  footer: A line, languages: [de, en]}
api: {listen: "unix:/run/api.sock", tokens: {shop: {
  sha256: "abababababababababababababababababababababababababababababababab",
  organisations: acme, verbs: [add, check]}}}
intake: {socket: "unix:/run/intake.sock", socket_mode: "0600", socket_group: null, authserv_ids: mx.example.com,
  submit: "[::1]:587", sender: No-Reply@Example.com, soft_bounces: 3, soft_bounce_window: 7d, max_size: 1000000}
reply: {help_url: "https://help.example.com/why?x=1"}
privacy: {store_addresses: false, mail: [privacy@example.com]}
retention: {journal: null, expired: 1d, reviews: 2d, bounces: 3d, evidence: 4d}
log: {format: json, level: debug, addresses: true}
outbound: {listeners: submission, clients: [10.1.0.0/16, "2001:db8::/32", 192.0.2.1]}
loop: {first: [before], second: behind}
addresses: {gmail.com: {sub_address: +, ignore_dots: true}, "*": {sub_address: +}, Bücher.example: {ignore_dots: true}}
categories:
  marketing: {action: tag}
  own: {basis: contract, exempt: true, bypasses: [legal, manual], action: hold, unsubscribe_header: true}
organisations:
  acme: {title: Acme Ltd, address: "1 Road, Town", unsubscribe: {url: "https://u.acme.example"},
    privacy: privacy@acme.example}
streams:
  acme: {}
  acme.newsletter:
    category: marketing
    title: Weekly newsletter
    description: Every week.
    verp: true
    requires_consent: true
    mode: observe
    action: remove
    mixed: reject
    multi_recipient: split
    existing: replace
    unsubscribe_header: true
    list_id: newsletter.acme.example.com
    help_url: https://help.acme.example
  beta.notes: {category: own}
classify:
  - {login: [news, "mail-*"], client: 10.1.2.3, listener: submission, stream: acme.newsletter}
  - {mail_from: "*@Bücher.example", stream: acme.newsletter}
  - {header: {X-Stream: [notes, "note-*"]}, allow: {login: bot, client: 10.0.0.1, listener: a}, stream: beta.notes}
  - {list_id: "*.acme.example", has_header: [List-Id, X-Any], stream: acme}
bulk: false
unclassified: enforce
false_claim: reject
"""


def site_of(text: str) -> Site:
    return compile_site(parse(text, "test.yaml"))


def stream_of(text: str, name: str = "acme.newsletter") -> Stream:
    return site_of(text).streams[name]


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "test.yaml")
    return caught.value.problems


# What is refused


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_broken_configuration_says_what_is_wrong_and_where(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fault at once, each with file, line and key path; the expected lines stand beside the file."""
    monkeypatch.chdir(BROKEN)
    with pytest.raises(ConfigError) as caught:
        load(Path(path.name))
    assert caught.value.problems == path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()


def test_every_expectation_has_its_broken_configuration() -> None:
    """And the other way round."""
    assert [path.with_suffix(".expected") for path in CASES] == sorted(BROKEN.glob("*.expected"))
    assert len(CASES) > 50


def test_a_file_that_is_missing_names_its_path_and_the_mend(tmp_path: Path) -> None:
    """`init` makes one."""
    path = tmp_path / "none.yaml"
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: there is no such file (consentmilter init makes one)"


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Such as a directory, or octets that are no text."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: Is a directory"
    path = tmp_path / "latin1.yaml"
    path.write_bytes("mode: \xfc".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: not UTF-8 (octet 6)"


@pytest.mark.parametrize("text", ["mode: [", "mode: 1", "mode: *a", "{" * 5000, "? {a: b}\n: c", "1: 2", "null: 1"])
def test_no_text_is_more_than_a_configuration_error(text: str) -> None:
    """Whatever PyYAML makes of it."""
    assert all(fault.startswith("test.yaml:") for fault in faults_of(text))


def test_faults_come_in_the_order_of_the_file() -> None:
    """So that they can be worked through from the top."""
    lines = faults_of((BROKEN / "56-several-at-once.yaml").read_text(encoding="utf-8"))
    numbers = [int(line.split(":")[1]) for line in lines]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 4


# What is accepted


@pytest.mark.parametrize("text", [MINIMAL, "", "# nothing set\n", "\ufeffmode: enforce\n", "mode: observe\n...\n"])
def test_two_lines_are_enough(text: str) -> None:
    """Or none at all: every key has a default."""
    assert isinstance(parse(text, "test.yaml"), Config)


def test_every_default_is_as_documented() -> None:
    """Nobody enforces on day one, and what is not set changes nothing."""
    assert parse("", "test.yaml").dump() == {
        "mode": "observe",
        "store": {"url": "sqlite:////var/lib/consentmilter/consent.db", "journal": None},
        "keys": {"file": "/etc/consentmilter/keys.yaml"},
        "milter": {
            "socket": "unix:/var/spool/postfix/consentmilter/milter.sock",
            "socket_mode": "0660",
            "socket_group": "postfix",
            "workers": 2,
            "deadline": 2.0,
            "drain": 300.0,
            "self_check": None,
        },
        "unsubscribe": {"url": None, "mailto": None, "bounce": None},
        "reply": {"help_url": None},
        "web": {
            "listen": None,
            "trusted_proxies": ["127.0.0.0/8", "::1/128"],
            "pages_per_minute": 120,
            "logo": None,
            "accent": "#1a5fb4",
            "footer": None,
            "languages": ["en", "de", "fr", "es", "ro", "nl", "ar"],
        },
        "api": {"listen": None, "tokens": {}},
        "intake": {
            "socket": None,
            "socket_mode": "0660",
            "socket_group": "postfix",
            "authserv_ids": [],
            "submit": "127.0.0.1:25",
            "sender": None,
            "soft_bounces": 5,
            "soft_bounce_window": 1209600.0,
            "max_size": 10485760,
        },
        "privacy": {"store_addresses": True, "mail": []},
        "retention": {
            "journal": 31536000.0,
            "expired": 2592000.0,
            "reviews": 7776000.0,
            "bounces": 7776000.0,
            "evidence": None,
        },
        "log": {"format": "auto", "level": "info", "addresses": False},
        "outbound": {"listeners": [], "clients": []},
        "loop": {"first": [], "second": None},
        "addresses": {},
        "categories": {},
        "organisations": {},
        "streams": {},
        "classify": [],
        "bulk": True,
        "unclassified": "pass",
        "false_claim": "marketing",
    }


def test_every_key_can_be_set() -> None:
    """And means what it says."""
    config = parse(FULL, "test.yaml")
    assert (config.milter.socket_mode, config.milter.deadline, config.milter.drain) == (0o600, 0.5, 3600.0)
    assert (config.unsubscribe.url, config.unsubscribe.mailto) == ("https://u.example.com", "unsubscribe@example.com")
    assert config.outbound.clients == [ip_network(n) for n in ("10.1.0.0/16", "2001:db8::/32", "192.0.2.1/32")]
    assert config.privacy.store_addresses is False
    assert (config.web.accent, config.web.languages) == ("#ff0000", ["de", "en"])
    assert config.api.tokens["shop"].verbs == ["add", "check"]
    assert (config.intake.sender, config.intake.soft_bounce_window) == ("no-reply@example.com", 7 * 86400)
    unset = {name for name in Config.model_fields if name not in config.model_fields_set}
    assert unset == set()


@pytest.mark.parametrize("text", ["", MINIMAL, FULL, "streams: {bulk: {}, unclassified: {mixed: reject}}"])
def test_what_is_dumped_reads_back_as_the_same(text: str) -> None:
    """As YAML for people, as JSON for the workers."""
    config = parse(text, "test.yaml")
    assert parse(yaml.safe_dump(config.dump(), allow_unicode=True), "dump.yaml") == config
    assert Config.model_validate_json(config.model_dump_json()) == config
    assert compile_site(Config.model_validate_json(config.model_dump_json())) == compile_site(config)


@pytest.mark.parametrize(
    ("written", "mode"),
    [("0660", 0o660), ('"0660"', 0o660), ('"660"', 0o660), ("0o600", 0o600), ("'0777'", 0o777), ("0000", 0)],
)
def test_a_file_mode_is_octal_however_it_is_written(written: str, mode: int) -> None:
    """YAML 1.1 reads 0660 as a number and "0660" as text."""
    config = parse(f"milter: {{socket_mode: {written}}}", "test.yaml")
    assert config.milter.socket_mode == mode
    assert config.dump()["milter"]["socket_mode"] == f"{mode:04o}"


@pytest.mark.parametrize("written", ["660", "-1", "01000", "'0999'", "true", "[0660]", "'rw'"])
def test_what_is_no_file_mode_is_refused(written: str) -> None:
    """660 without its zero is another mode altogether."""
    [fault] = faults_of(f"milter: {{socket_mode: {written}}}")
    assert fault.endswith("is no file mode (write 0660)")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("250ms", 0.25), ("2s", 2), ("1.5 s", 1.5), ("2", 2), ("0.5", 0.5), ('" 10s "', 10)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(written: str, seconds: float) -> None:
    """As in Postfix, with a unit for what is shorter."""
    assert parse(f"milter: {{deadline: {written}}}", "test.yaml").milter.deadline == seconds


@pytest.mark.parametrize(("written", "seconds"), [("5m", 300), ("1h", 3600), ("0.01d", 864)])
def test_long_durations_have_units_too(written: str, seconds: float) -> None:
    """Minutes, hours and days."""
    assert parse(f"milter: {{drain: {written}}}", "test.yaml").milter.drain == seconds


def test_a_stream_name_may_be_as_long_as_a_mailto_link_allows() -> None:
    """And no longer."""
    assert f"{'a' * MAX_STREAM_NAME}" in site_of(f"streams: {{{'a' * MAX_STREAM_NAME}: {{}}}}").streams
    assert len(faults_of(f"streams: {{{'a' * (MAX_STREAM_NAME + 1)}: {{}}}}")) == 1


@pytest.mark.parametrize(
    "socket",
    [
        "unix:/run/milter.sock",
        "inet:127.0.0.1:8891",
        "inet:8891@127.0.0.1",
        "inet6:[::1]:8891",
        "inet6:8891@[::1]",
        "inet:localhost:8891",
    ],
)
def test_a_socket_is_written_as_postfix_or_as_libmilter_writes_it(socket: str) -> None:
    """Both are in every guide."""
    assert parse(f'milter: {{socket: "{socket}"}}', "test.yaml").milter.socket == socket


def test_the_same_key_in_two_places_is_no_duplicate() -> None:
    """Only twice in one mapping; a merged key may be overridden."""
    text = "streams:\n  acme.a: &base {title: A, mixed: reject}\n  acme.b: {<<: *base, title: B}\n  acme.c: *base\n"
    streams = site_of(text).streams
    assert [(streams[name].title, streams[name].mixed) for name in ("acme.a", "acme.b", "acme.c")] == [
        ("A", Mixed.REJECT),
        ("B", Mixed.REJECT),
        ("A", Mixed.REJECT),
    ]


# What it means


def test_without_anything_set_only_bulk_mail_is_looked_at_and_only_watched() -> None:
    """Useful at once, and nothing surprising."""
    site = site_of("")
    assert set(site.streams) == {"bulk", "unclassified"}
    assert all(stream.mode is Mode.OBSERVE for stream in site.streams.values())
    assert not any(stream.unsubscribe_header for stream in site.streams.values())
    assert (site.rules, site.bulk_rule, site.unclassified) == ((), True, Unclassified.PASS)
    assert site.streams["bulk"].category == BUILT_IN["marketing"]


def test_mail_of_no_stream_gets_no_unsubscribe_header_unless_the_site_asks_for_it() -> None:
    """Under `unclassified: enforce` it is anybody's letter to anybody."""
    text = "mode: enforce\nunclassified: enforce\n"
    assert not stream_of(text, "unclassified").unsubscribe_header
    assert stream_of(text, "bulk").unsubscribe_header
    assert not stream_of(text + "streams: {unclassified: {mixed: reject}}", "unclassified").unsubscribe_header
    asked_for = text + "streams: {unclassified: {unsubscribe_header: true}}"
    assert stream_of(asked_for, "unclassified").unsubscribe_header


def test_a_stream_takes_what_it_does_not_say_from_its_category_organisation_and_site() -> None:
    """Resolved once; the policy asks nobody."""
    site = site_of(FULL)
    newsletter, notes, acme = (site.streams[name] for name in ("acme.newsletter", "beta.notes", "acme"))
    assert newsletter == Stream(
        name="acme.newsletter",
        title="Weekly newsletter",
        category=site.streams["bulk"].category,
        mode=Mode.OBSERVE,
        action=Verdict.REMOVE,
        mixed=Mixed.REJECT,
        multi_recipient=MultiRecipient.SPLIT,
        existing=Existing.REPLACE,
        unsubscribe_header=True,
        list_id="newsletter.acme.example.com",
        unsubscribe_url="https://u.acme.example",
        unsubscribe_mailto="unsubscribe@example.com",
        help_url="https://help.acme.example",
        description="Every week.",
        verp=True,
        requires_consent=True,
        bounce="bounce@example.com",
    )
    assert (notes.mode, notes.action, notes.title) == (Mode.ENFORCE, Verdict.HOLD, "beta.notes")
    assert (notes.unsubscribe_url, notes.help_url) == ("https://u.example.com", "https://help.example.com/why?x=1")
    assert (acme.title, acme.action, acme.unsubscribe_url) == ("Acme Ltd", Verdict.TAG, "https://u.acme.example")


def test_the_site_is_what_the_file_says() -> None:
    """Organisations, foldings, rules and switches."""
    site = site_of(FULL)
    assert site.organisations == {"acme": Organisation("acme", "Acme Ltd", "1 Road, Town", ("privacy@acme.example",))}
    assert site.foldings == {
        "gmail.com": Folding("+", ignore_dots=True),
        "*": Folding("+"),
        "xn--bcher-kva.example": Folding(ignore_dots=True),
    }
    assert (site.bulk_rule, site.unclassified, site.false_claim) == (False, Unclassified.ENFORCE, FalseClaim.REJECT)
    assert site.mode is Mode.ENFORCE
    assert [glob.pattern for glob in site.outbound.listeners] == ["submission", "before"]
    assert ([glob.pattern for glob in site.loop.first], site.loop.second) == (["before"], "behind")
    one, two, three, four = site.rules
    assert [rule.number for rule in site.rules] == [1, 2, 3, 4]
    assert [glob.pattern for glob in one.who.logins] == ["news", "mail-*"]
    assert (one.who.clients, one.allow) == ((ip_network("10.1.2.3"),), None)
    assert two.senders[0].matches("a@xn--bcher-kva.example")
    assert three.asks() == {"x-stream"}
    assert three.allow is not None
    assert not three.allow.empty
    assert four.asks() == {"list-id", "x-any"}


@pytest.mark.parametrize(
    ("site_mode", "stream_mode", "header", "adds"),
    [
        ("enforce", None, None, True),
        ("enforce", None, "false", False),
        ("enforce", None, "true", True),
        ("enforce", "observe", None, False),
        ("enforce", "observe", "true", True),
        ("observe", None, None, False),
        ("observe", None, "true", True),
        ("observe", None, "false", False),
        ("observe", "enforce", None, True),
        ("observe", "enforce", "false", False),
    ],
)
def test_observing_adds_no_header_unless_the_stream_itself_asks_for_it(
    site_mode: str, stream_mode: str | None, header: str | None, adds: bool
) -> None:
    """A category's wish is not enough."""
    part = {"mode": stream_mode, "unsubscribe_header": header}
    inside = ", ".join(f"{key}: {value}" for key, value in part.items() if value)
    assert stream_of(f"mode: {site_mode}\nstreams: {{acme.newsletter: {{{inside}}}}}").unsubscribe_header is adds


def test_an_exempt_stream_gets_no_header_unless_it_asks_for_it() -> None:
    """A security patch has nothing to unsubscribe from."""
    text = "mode: enforce\nstreams: {acme.newsletter: {category: security-patch%s}}"
    assert not stream_of(text % "").unsubscribe_header
    assert stream_of(text % ", unsubscribe_header: true").unsubscribe_header


@pytest.mark.parametrize(
    ("own", "url", "mailto"),
    [
        ("", "https://u.example.com", "unsub@example.com"),
        ("unsubscribe: {url: 'https://u.acme.example'}", "https://u.acme.example", "unsub@example.com"),
        ("unsubscribe: {mailto: out@acme.example}", "https://u.example.com", "out@acme.example"),
    ],
)
def test_an_organisations_unsubscribe_addresses_replace_the_sites(own: str, url: str, mailto: str) -> None:
    """Each by itself, and for its own streams only."""
    text = (
        "unsubscribe: {url: 'https://u.example.com', mailto: unsub@example.com}\n"
        f"organisations: {{acme: {{title: Acme, {own}}}}}\n"
        "streams: {acme.newsletter: {}, acmebeta.notes: {}}\n"
    )
    stream = stream_of(text)
    assert (stream.unsubscribe_url, stream.unsubscribe_mailto) == (url, mailto)
    other = stream_of(text, "acmebeta.notes")
    assert (other.unsubscribe_url, other.unsubscribe_mailto) == ("https://u.example.com", "unsub@example.com")


def category_of(name: str, part: str) -> Category:
    text = f"categories: {{{name}: {{{part}}}}}\nstreams: {{acme.newsletter: {{category: {name}}}}}\n"
    return stream_of(text).category


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_categories_need_not_be_repeated(name: str) -> None:
    """And an empty entry changes nothing about them."""
    assert stream_of(f"streams: {{acme.newsletter: {{category: {name}}}}}").category == BUILT_IN[name]
    assert category_of(name, "") == BUILT_IN[name]


LEGAL_AND_DEAD = frozenset({Reason.LEGAL, Reason.HARD_BOUNCE})


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("action: hold", replace(BUILT_IN["licence"], action=Verdict.HOLD)),
        ("exempt: false", replace(BUILT_IN["licence"], bypasses=frozenset())),
        ("bypasses: [manual]", replace(BUILT_IN["licence"], bypasses=frozenset({Reason.MANUAL}))),
        ("exempt: true", replace(BUILT_IN["customer-relations"], bypasses=OPT_OUTS)),
        ("basis: contract", replace(BUILT_IN["marketing"], basis=Basis.CONTRACT)),
        ("unsubscribe_header: false", replace(BUILT_IN["marketing"], unsubscribe_header=False)),
        ("basis: consent", Category("own", Basis.CONSENT)),
        ("basis: consent, exempt: true", Category("own", Basis.CONSENT, OPT_OUTS)),
        (
            "basis: contract, exempt: true, bypasses: [hard_bounce, legal]",
            Category("own", Basis.CONTRACT, LEGAL_AND_DEAD),
        ),
        ("basis: contract, unsubscribe_header: true", Category("own", Basis.CONTRACT, unsubscribe_header=True)),
    ],
)
def test_a_category_is_what_the_site_makes_of_it(part: str, expected: Category) -> None:
    """Each key replaces one part of a built-in one, and makes one of the site's own."""
    assert category_of(expected.name, part) == expected
    assert expected.exempt is bool(expected.bypasses)


def test_a_built_in_stream_can_be_given_another_category_and_title() -> None:
    """It is the site's own mail."""
    bulk = stream_of("streams: {bulk: {category: release-announcement, title: All the rest}}", "bulk")
    assert (bulk.category.name, bulk.title) == ("release-announcement", "All the rest")
    assert stream_of("streams: {bulk: {mixed: reject}}", "bulk").title == "Bulk mail"


# What is hardly meant


def test_what_is_hardly_meant_is_told() -> None:
    """A warning each; nothing to say where all is set."""
    assert find_warnings(parse("streams: {acme.news: {}, bulk: {}}", "test.yaml")) == [
        "mode is observe: nothing is refused, verdicts are only logged and journalled",
        "unsubscribe.url is not set: no one-click header can be added (RFC 8058)",
        "unsubscribe.mailto is not set: messages to several recipients get no List-Unsubscribe",
        "streams: no rule leads to acme.news",
    ]
    text = MINIMAL + "mode: enforce\nunsubscribe: {url: 'https://u.example.com', mailto: unsub@example.com}\n"
    assert find_warnings(parse(text + "intake: {socket: 'unix:/in.sock'}\n", "test.yaml")) == [
        "web.listen is not set: the links need the web role, here or elsewhere",
        "intake.authserv_ids is not set: mail without a token is never trusted, but asked back",
    ]
    text += "web: {listen: '127.0.0.1:8025'}\n"
    assert find_warnings(parse(text, "test.yaml")) == [
        "intake.socket is not set: the unsubscribe mails need the intake role, here or elsewhere"
    ]
    bounded = text.replace("stream: acme.newsletter}", "stream: acme.newsletter, max_per_day: 5}")
    assert "classify[0].max_per_day: acme.newsletter is not exempt, so there is nothing to bound" in find_warnings(
        parse(bounded, "test.yaml")
    )
    text += "intake: {socket: 'unix:/in.sock', authserv_ids: mx.example.com}\n"
    assert find_warnings(parse(text, "test.yaml")) == []
