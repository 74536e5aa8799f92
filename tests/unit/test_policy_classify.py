"""Find the stream of a message."""

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.config import Config
from consentmilter.config.check import find_faults
from consentmilter.config.compile import compile_site
from consentmilter.policy.classify import BULK_MARKS, Classification, classify, is_bulk
from consentmilter.policy.mail import SENDMAIL, Header, Headers, Principal
from consentmilter.policy.rules import Answer, Rule
from consentmilter.policy.site import Site
from tests.unit.making import examples

NONE = Headers()
STRANGER = Principal(None, ip_address("192.0.2.1"), "smtp")

STREAMS = {
    "acme.newsletter": {},
    "acme.offers": {"category": "release-announcement"},
    "acme.security": {"category": "security-patch"},
    "acme.licence": {"category": "own"},
}
CATEGORIES = {"own": {"basis": "contract", "exempt": True, "bypasses": ["legal", "unsubscribe"]}}


def compiled(*rules: dict[str, Any], **changes: Any) -> Site:
    """The site with those of the rules that `config check` finds no fault with."""
    data = {"streams": STREAMS, "categories": CATEGORIES, "classify": list(rules), **changes}
    faulty = {path[1] for path, _ in find_faults(Config.model_validate(data)) if path[0] == "classify"}
    sound = [rule for number, rule in enumerate(rules) if number not in faulty]
    config = Config.model_validate({**data, "classify": sound})
    assert find_faults(config) == []
    return compile_site(config)


def headers(*fields: tuple[str, str]) -> Headers:
    return Headers(tuple(Header(name, value) for name, value in fields))


def found(site: Site, principal: Principal, sender: str = "", fields: Headers | None = NONE) -> Classification:
    classification = classify(site, principal, sender, fields)
    assert classification is not None
    return classification


def name(classification: Classification) -> str | None:
    return classification.stream.name if classification.stream else None


# Drawn rules, messages and principals

RIGHTS = st.fixed_dictionaries(
    {},
    optional={
        "login": st.sampled_from(["ann", "bot", "a*"]),
        "client": st.sampled_from(["10.0.0.0/8", "2001:db8::/32"]),
        "listener": st.sampled_from(["submission", "sub*", SENDMAIL]),
    },
)
ENVELOPE = st.fixed_dictionaries({}, optional={"mail_from": st.sampled_from(["*@news.example", "a@*", "*"])})
CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "header": st.sampled_from([{"X-Stream": "security"}, {"X-Stream": ["news*", "sec*"], "X-Own": "*"}]),
        "list_id": st.just("*.acme.example"),
        "has_header": st.sampled_from(["X-Stream", "X-Own", "List-Unsubscribe"]),
    },
)
ALLOWED: st.SearchStrategy[dict[str, Any]] = st.just({}) | RIGHTS.map(lambda right: {"allow": right})
RULES = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items()},
    RIGHTS,
    ENVELOPE,
    CONTENT,
    ALLOWED,
    st.sampled_from([*STREAMS, "bulk", "unclassified"]).map(lambda stream: {"stream": stream}),
)
SITES = st.builds(
    lambda rules, options: compiled(*rules, **options),
    st.lists(RULES, max_size=5),
    st.fixed_dictionaries(
        {
            "bulk": st.booleans(),
            "unclassified": st.sampled_from(["pass", "enforce", "reject"]),
            "false_claim": st.sampled_from(["marketing", "reject"]),
        }
    ),
)
FIELDS = st.sampled_from(
    [
        ("x-stream", "security"),
        ("x-stream", "newsletter"),
        ("x-own", "1"),
        ("list-id", "News <news.acme.example>"),
        ("list-unsubscribe", "<mailto:a@b>"),
        ("precedence", "bulk"),
        ("auto-submitted", "auto-generated"),
        ("list-post", "<mailto:a@b>"),
    ]
)
HEADERS = st.lists(FIELDS, max_size=5).map(lambda fields: headers(*fields))
SENDERS = st.sampled_from(["", "a@news.example", "a@acme.example", "b@other.example"])
STRANGERS = st.builds(
    Principal,
    login=st.sampled_from([None, "eve"]),
    client=st.sampled_from([None, ip_address("192.0.2.1"), ip_address("127.0.0.1"), ip_address("::1")]),
    listener=st.sampled_from(["", "smtp"]),
)
PRINCIPALS = STRANGERS | st.builds(
    Principal,
    login=st.sampled_from([None, "ann", "bot", "eve"]),
    client=st.sampled_from([None, ip_address("10.0.0.1"), ip_address("2001:db8::1"), ip_address("192.0.2.1")]),
    listener=st.sampled_from(["", "submission", SENDMAIL]),
)


@examples(166)
@given(SITES, PRINCIPALS, SENDERS, HEADERS)
def test_what_the_envelope_tells_no_header_can_change(
    site: Site, principal: Principal, sender: str, fields: Headers
) -> None:
    """An answer without the header is the answer with any: that makes a refusal at RCPT right."""
    early = classify(site, principal, sender, None)
    if early is not None:
        late = found(site, principal, sender, fields)
        assert (name(early), early.rule, early.right, early.unwanted) == (
            name(late),
            late.rule,
            late.right,
            late.unwanted,
        )


@examples(133)
@given(SITES, PRINCIPALS, SENDERS, HEADERS)
def test_with_the_header_there_is_always_an_answer(
    site: Site, principal: Principal, sender: str, fields: Headers
) -> None:
    """And it is what the rules say, read one by one."""
    classification = found(site, principal, sender, fields)
    fitting = [
        rule for rule in site.rules if may_use(rule, principal) and conditions_hold(rule, principal, sender, fields)
    ]
    if fitting:
        assert (classification.rule, name(classification)) == (fitting[0].number, fitting[0].stream)
    else:
        assert classification.rule is None
        assert name(classification) in ("bulk", "unclassified", None)


def may_use(rule: Rule, principal: Principal) -> bool:
    """Whether a claim may be made, by the definition."""
    if rule.allow is None:
        return True
    return any(rule.allow.proofs(principal).values())


def conditions_hold(rule: Rule, principal: Principal, sender: str, fields: Headers) -> bool:
    return rule.fits(principal, sender, fields) is Answer.YES


@examples(166)
@given(SITES, STRANGERS, SENDERS, HEADERS)
def test_a_claim_without_the_right_never_bypasses(
    site: Site, stranger: Principal, sender: str, fields: Headers
) -> None:
    """For any rules that the configuration lets through, in any order, whatever the message says."""
    classification = found(site, stranger, sender, fields)
    assert classification.stream is None or not classification.stream.category.exempt


@examples(133)
@given(SITES, PRINCIPALS, SENDERS, HEADERS)
def test_whoever_sends_exempt_mail_has_proven_the_right_to_it(
    site: Site, principal: Principal, sender: str, fields: Headers
) -> None:
    """By login, client or listener, and the proof is told."""
    classification = found(site, principal, sender, fields)
    if classification.stream is not None and classification.stream.category.exempt:
        assert classification.rule is not None
        rule = site.rules[classification.rule - 1]
        granted = rule.allow or rule.who
        assert classification.right
        assert granted.proofs(principal)[classification.right]


@examples(133)
@given(SITES, PRINCIPALS, SENDERS, HEADERS)
def test_a_false_claim_is_told_and_wins_nothing(site: Site, principal: Principal, sender: str, fields: Headers) -> None:
    """The message gets the stream that it would have had, or falls to bulk, which is marketing."""
    classification = found(site, principal, sender, fields)
    claims = [rule for rule in site.rules if not may_use(rule, principal)]
    without = Site(site.streams, tuple(rule for rule in site.rules if rule not in claims), bulk_rule=site.bulk_rule)
    if classification.false_claim is not None:
        assert classification.false_claim in {rule.stream for rule in claims}
        honest = found(without, principal, sender, fields)
        assert name(classification) == (name(honest) if honest.rule is not None else "bulk")


# Examples


def test_the_first_rule_that_fits_wins() -> None:
    """In the order of the file; its number counts from 1."""
    site = compiled(
        {"login": "other", "stream": "acme.offers"},
        {"login": "news*", "stream": "acme.newsletter"},
        {"login": "newsletter", "stream": "acme.security"},
    )
    classification = found(site, Principal("newsletter"), fields=None)
    assert (name(classification), classification.rule, classification.right) == ("acme.newsletter", 2, "login")


def test_a_header_rule_before_leaves_the_question_open() -> None:
    """It may still say yes; one behind does not matter."""
    by_header = {"header": {"X-Stream": "offers"}, "stream": "acme.offers"}
    by_login = {"login": "news", "stream": "acme.newsletter"}
    assert classify(compiled(by_header, by_login), Principal("news"), "", None) is None
    assert name(found(compiled(by_login, by_header), Principal("news"), fields=None)) == "acme.newsletter"


CLAIM = {"header": {"X-Stream": "security"}, "allow": {"login": "bot"}, "stream": "acme.security"}
CLAIMING = headers(("x-stream", "security"))


def test_a_claim_counts_for_whom_it_is_allowed() -> None:
    """The proof is told."""
    classification = found(compiled(CLAIM), Principal("bot"), fields=CLAIMING)
    assert (name(classification), classification.right, classification.false_claim) == ("acme.security", "login", None)


@pytest.mark.parametrize("bulk", [True, False])
def test_a_claim_without_the_right_is_bulk_mail(bulk: bool) -> None:
    """Even where the built-in rule for bulk mail is off: a claim is not ignored silently."""
    classification = found(compiled(CLAIM, bulk=bulk), Principal("eve"), fields=CLAIMING)
    assert (name(classification), classification.rule) == ("bulk", None)
    assert classification.false_claim == "acme.security"


@pytest.mark.parametrize("claim_first", [True, False])
def test_a_claim_without_the_right_leaves_the_principals_own_stream(claim_first: bool) -> None:
    """Wherever the claim's rule stands."""
    own = {"login": "eve", "stream": "acme.newsletter"}
    site = compiled(CLAIM, own) if claim_first else compiled(own, CLAIM)
    classification = found(site, Principal("eve"), fields=CLAIMING)
    assert (name(classification), classification.false_claim) == ("acme.newsletter", "acme.security")


@pytest.mark.parametrize(
    ("unclassified", "stream", "unwanted"),
    [("pass", None, False), ("enforce", "unclassified", False), ("reject", None, True)],
)
def test_mail_that_no_rule_knows_is_what_the_site_says(unclassified: str, stream: str | None, unwanted: bool) -> None:
    """Passed, enforced as a stream of its own, or unwanted."""
    classification = found(compiled(unclassified=unclassified), STRANGER, "a@b.example")
    assert (name(classification), classification.unwanted) == (stream, unwanted)


BULK = ("list-unsubscribe", "<mailto:a@b>")


@pytest.mark.parametrize(
    ("sender", "fields", "bulk"),
    [
        ("a@b.example", [BULK], True),
        ("a@b.example", [("feedback-id", "1:acme")], True),
        ("a@b.example", [("precedence", "Bulk")], True),
        ("a@b.example", [("precedence", "list"), ("precedence", " bulk ")], True),
        ("a@b.example", [("precedence", "list")], False),
        ("a@b.example", [BULK, ("auto-submitted", "no")], True),
        ("a@b.example", [BULK, ("auto-submitted", "No")], True),
        ("a@b.example", [BULK, ("auto-submitted", "auto-replied")], False),
        ("a@b.example", [BULK, ("auto-submitted", "no"), ("auto-submitted", "auto-generated")], False),
        ("a@b.example", [BULK, ("list-post", "<mailto:list@b.example>")], False),
        ("", [BULK], False),
        ("a@b.example", [], False),
        ("a@b.example", [("subject", "bulk")], False),
    ],
)
def test_bulk_mail_is_known_by_its_marks(sender: str, fields: list[tuple[str, str]], bulk: bool) -> None:
    """And is neither a discussion list, nor automatic (RFC 3834), nor a bounce."""
    assert is_bulk(sender, headers(*fields)) is bulk
    classification = found(compiled(), Principal("anybody"), sender, headers(*fields))
    assert name(classification) == ("bulk" if bulk else None)
    assert {each for each, _ in fields} - {"subject"} <= BULK_MARKS


def test_the_rule_for_bulk_mail_can_be_switched_off() -> None:
    """Then its mail is like any other that no rule knows."""
    classification = found(compiled(bulk=False), Principal("anybody"), "a@b.example", headers(BULK))
    assert classification == Classification(None)


def test_own_rules_come_before_the_one_for_bulk_mail() -> None:
    """Also those that only the header can tell."""
    site = compiled({"has_header": "X-Own", "stream": "acme.offers"})
    classification = found(site, Principal("anybody"), "a@b.example", headers(BULK, ("x-own", "")))
    assert name(classification) == "acme.offers"


@pytest.mark.parametrize(
    "unproven", [{"mail_from": "*"}, {"header": {"X": "*"}}, {"list_id": "*"}, {"has_header": "X"}]
)
def test_a_right_to_exempt_mail_that_proves_nothing_is_refused(unproven: dict[str, Any]) -> None:
    """`config check` drops the rule before it can do any harm."""
    assert compiled({**unproven, "stream": "acme.security"}).rules == ()
    assert len(compiled({**unproven, "login": "bot", "stream": "acme.security"}).rules) == 1
