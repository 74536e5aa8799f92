"""The header fields that are added, replaced and removed."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.config.types import MAX_MAILTO_LOCAL, MAX_STREAM_NAME
from consentmilter.globs import Glob
from consentmilter.headers import (
    LIST_ID,
    LIST_UNSUBSCRIBE,
    LIST_UNSUBSCRIBE_POST,
    WANTED,
    Add,
    Delete,
    Edit,
    delete_all,
    signed_fields,
    status,
    unsubscribe_edits,
)
from consentmilter.policy.mail import Header, Headers, Principal
from consentmilter.policy.rules import Answer, Rule
from consentmilter.policy.site import Existing, Stream
from tests.unit.making import ANY_TEXT, examples, stream

URL = "https://u.acme.example"
MAILTO = "unsubscribe@acme.example"
TOKEN = "t" * 52
LINKED = stream(unsubscribe_url=URL, unsubscribe_mailto=MAILTO)

ONE_CLICK = "List-Unsubscribe=One-Click"
OUR_FIELDS = (LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST, LIST_ID)

Message = list[tuple[str, str]]


def headers(*fields: tuple[str, str]) -> Headers:
    """The header as the milter keeps it."""
    return Headers(tuple(Header(name.lower(), value) for name, value in fields))


def after(message: Sequence[tuple[str, str]], edits: Iterable[Edit]) -> Message:
    """The message as Postfix makes it: chgheader counts among the fields of that name that are left, addheader appends.

    A change of an instance that does not exist appends or, with no value, does nothing (cleanup_milter.c).
    """
    left = list(message)
    for edit in edits:
        match edit:
            case Add(name, value):
                left.append((name, value))
            case Delete(name, index):
                places = [i for i, (other, _) in enumerate(left) if other.lower() == name.lower()]
                if index <= len(places):
                    del left[places[index - 1]]
    return left


def values(message: Message, name: str) -> list[str]:
    return [value for other, value in message if other.lower() == name.lower()]


def touched(edits: Iterable[Edit]) -> set[str]:
    return {edit.name for edit in edits}


def test_one_recipient_gets_a_link_that_works_in_one_click() -> None:
    """RFC 8058 section 3.1: one https link, one List-Unsubscribe-Post; the mailto form beside it."""
    assert after([], unsubscribe_edits(LINKED, headers(), TOKEN)) == [
        ("List-Unsubscribe", f"<{URL}/u/{TOKEN}>,\n\t<mailto:unsubscribe+{TOKEN}@acme.example>"),
        ("List-Unsubscribe-Post", ONE_CLICK),
    ]


def test_several_recipients_get_the_mailto_form_with_the_name_of_the_stream() -> None:
    """No token, no one-click header."""
    assert unsubscribe_edits(LINKED, headers(), None) == [
        Add(LIST_UNSUBSCRIBE, "<mailto:unsubscribe+acme.newsletter@acme.example>")
    ]


@pytest.mark.parametrize(
    ("changes", "token", "expected"),
    [
        (
            {"unsubscribe_mailto": None},
            TOKEN,
            [(LIST_UNSUBSCRIBE, f"<{URL}/u/{TOKEN}>"), (LIST_UNSUBSCRIBE_POST, ONE_CLICK)],
        ),
        ({"unsubscribe_mailto": None}, None, []),
        ({"unsubscribe_url": None}, TOKEN, [(LIST_UNSUBSCRIBE, f"<mailto:unsubscribe+{TOKEN}@acme.example>")]),
        ({"unsubscribe_url": None, "unsubscribe_mailto": None}, TOKEN, []),
    ],
)
def test_a_site_without_web_or_mail_address_gets_what_is_left(
    changes: dict[str, Any], token: str | None, expected: Message
) -> None:
    """One-click only where there is a web address."""
    assert after([], unsubscribe_edits(replace(LINKED, **changes), headers(), token)) == expected


OWN: Message = [("List-Unsubscribe", "<https://theirs.example>"), ("List-Unsubscribe-Post", ONE_CLICK)]


@pytest.mark.parametrize("existing", [Existing.KEEP, Existing.REJECT])
def test_a_link_that_the_message_brings_is_kept(existing: Existing) -> None:
    """Under `reject` it does not come this far unless the stream is only observed."""
    linked = stream(unsubscribe_url=URL, unsubscribe_mailto=MAILTO, existing=existing)
    assert unsubscribe_edits(linked, headers(*OWN), TOKEN) == []
    assert unsubscribe_edits(linked, headers(OWN[0]), TOKEN) == []
    assert unsubscribe_edits(linked, headers(OWN[1]), TOKEN) == []


def test_a_link_that_the_message_brings_is_replaced_if_the_stream_says_so() -> None:
    """All of them, whatever their number and letter case."""
    linked = stream(unsubscribe_url=URL, existing=Existing.REPLACE)
    message = [("A", "1"), *OWN, ("LIST-UNSUBSCRIBE", "<mailto:b@c>"), ("B", "2"), *OWN]
    result = after(message, unsubscribe_edits(linked, headers(*message), TOKEN))
    assert result == [
        ("A", "1"),
        ("B", "2"),
        ("List-Unsubscribe", f"<{URL}/u/{TOKEN}>"),
        ("List-Unsubscribe-Post", ONE_CLICK),
    ]


def test_a_link_is_not_taken_away_where_there_is_none_to_put_in_its_place() -> None:
    """A site without addresses of its own leaves the sender's link alone."""
    assert unsubscribe_edits(stream(existing=Existing.REPLACE), headers(*OWN), TOKEN) == []


def test_fields_are_removed_from_the_last_to_the_first() -> None:
    """Each removal renumbers the fields behind it."""
    message = [("X", "1"), ("Y", "2"), ("x", "3"), ("X", "4")]
    edits = delete_all("X", headers(*message))
    assert edits == [Delete("X", 3), Delete("X", 2), Delete("X", 1)]
    assert after(message, edits) == [("Y", "2")]
    assert delete_all("Z", headers(*message)) == []


# DKIM


def signature(names: Sequence[str], style: int) -> tuple[str, str]:
    """A signature over these fields, written in one of several ways that RFC 6376 section 3.5 allows."""
    listed = [
        ":".join(names),
        " : ".join(name.upper() for name in names),
        ":\n\t".join(name.title() for name in names),
        " :\n ".join(names),
    ][style]
    tags = ["v=1; a=rsa-sha256; d=h.example; bh=aGFzaA==;", "s=h;\n\t"]
    before, behind = [("", "; b=c2ln"), ("", ""), (" ", ";b=c2ln;"), ("\n\t", "\n\t; b=c2ln")][style]
    return "DKIM-Signature", f"{tags[0]} {tags[1]}h{before}={before}{listed}{behind}"


@pytest.mark.parametrize("style", range(4))
@pytest.mark.parametrize("covered", [c for n in range(4) for c in itertools.combinations(OUR_FIELDS, n)])
@pytest.mark.parametrize("existing", Existing)
def test_nothing_is_touched_that_a_signature_covers(covered: tuple[str, ...], style: int, existing: Existing) -> None:
    """Neither added, since h= may list a field that is absent, nor removed; and all that is free is set right."""
    linked = stream(unsubscribe_url=URL, unsubscribe_mailto=MAILTO, list_id="news.acme.example", existing=existing)
    for own in itertools.product(range(3), range(2), range(2)):
        message = [(n, "theirs") for n, count in zip(OUR_FIELDS, own, strict=True) for _ in range(count)]
        signed = [*message, signature(["From", *covered, "Subject"], style)]
        edits = unsubscribe_edits(linked, headers(*signed), TOKEN)
        assert not touched(edits) & set(covered)
        check_link(after(signed, edits), edits, own, covered, existing)


def check_link(
    result: Message, edits: list[Edit], own: tuple[int, ...], covered: tuple[str, ...], existing: Existing
) -> None:
    """That the message has our link if it may, exactly once, and one click where that may be."""
    links, posts, list_ids = own
    bound = LIST_UNSUBSCRIBE in covered or (posts and LIST_UNSUBSCRIBE_POST in covered)
    may_write = not bound and (existing is Existing.REPLACE or not (links or posts))
    if may_write:
        assert values(result, LIST_UNSUBSCRIBE) == [f"<{URL}/u/{TOKEN}>,\n\t<mailto:unsubscribe+{TOKEN}@acme.example>"]
        assert values(result, LIST_UNSUBSCRIBE_POST) == ([] if LIST_UNSUBSCRIBE_POST in covered else [ONE_CLICK])
    else:
        assert not touched(edits) & {LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST}
    wanted = not list_ids and LIST_ID not in covered
    assert values(result, LIST_ID) == (["Weekly newsletter <news.acme.example>"] if wanted else ["theirs"] * list_ids)


def test_every_signature_counts() -> None:
    """One that covers nothing of ours does not free what another covers."""
    signed = headers(signature(["From"], 0), signature(["From", LIST_ID], 1), signature([LIST_UNSUBSCRIBE], 2))
    assert signed_fields(signed) == {"from", "list-id", "list-unsubscribe"}
    assert unsubscribe_edits(LINKED, signed, TOKEN) == []


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("h=from:to", {"from", "to"}),
        ("bh=list-id; h=from", {"from"}),
        ("v=1;H=From", {"from"}),
        ("v=1; b=h; c=relaxed", set()),
        ("", set()),
        ("h=", {""}),
        ("h=from; h=list-id", {"from", "list-id"}),
    ],
)
def test_the_fields_of_a_signature_are_those_of_its_h_tag(value: str, names: set[str]) -> None:
    """Not those of bh=; and a malformed one with two counts with both, to be safe."""
    assert signed_fields(headers(("DKIM-Signature", value))) == names


@examples(100)
@given(ANY_TEXT)
def test_a_broken_signature_is_no_fault(value: str) -> None:
    """Whatever stands in the field."""
    unsubscribe_edits(LINKED, headers(("DKIM-Signature", value)), TOKEN)


# Form


def longest(title: str = "t" * 80) -> Stream:
    """A stream with everything as long as the configuration allows."""
    return stream(
        "n" * MAX_STREAM_NAME,
        title=title,
        unsubscribe_url="https://" + "u" * 192,
        unsubscribe_mailto=f"{'m' * MAX_MAILTO_LOCAL}@{'d' * 63}.{'d' * 63}.{'d' * 61}",
        list_id="l." + "i" * 198,
    )


@examples(100)
@given(
    st.text(
        st.sampled_from('ab "\\<>@.,;äß\u4e00') | st.characters(exclude_categories=["Cc", "Cs"]),
        min_size=1,
        max_size=80,
    )
)
def test_every_value_is_ascii_on_lines_below_998(title: str) -> None:
    """RFC 5322 2.1.1; non-ASCII does not ask for SMTPUTF8, and Postfix breaks longer lines behind the signer."""
    for token in (TOKEN, None):
        for edit in [*unsubscribe_edits(longest(title), headers(), token), status(longest(title))]:
            assert isinstance(edit, Add)
            assert edit.value.isascii()
            lines = f"{edit.name}: {edit.value}".split("\n")
            assert all(len(line) < 998 and line.replace("\t", " ").isprintable() for line in lines)
            assert all(line.startswith("\t") for line in lines[1:])


def test_the_local_part_of_the_mailto_form_fits_64_octets() -> None:
    """RFC 5321 4.5.3.1.1, with the longest name of a stream as with a token."""
    for token in (TOKEN, None):
        edit = unsubscribe_edits(longest(), headers(), token)[0]
        assert isinstance(edit, Add)
        local = edit.value.rpartition("<mailto:")[2].partition("@")[0]
        assert len(local) <= 64
        assert local.partition("+")[2] == (token or "n" * MAX_STREAM_NAME)


def test_a_streams_name_in_the_mailto_form_is_never_taken_for_a_token() -> None:
    """A token has 52 characters, a name fewer."""
    assert len(TOKEN) > MAX_STREAM_NAME


@pytest.mark.parametrize(
    ("title", "phrase"),
    [
        ("Weekly newsletter", "Weekly newsletter"),
        ("Acme's 10% off!", "Acme's 10% off!"),
        ("Acme Ltd.", '"Acme Ltd."'),
        ('The "best" offers', '"The \\"best\\" offers"'),
        ("back\\slash", '"back\\\\slash"'),
        ("News <b@example.com>", '"News <b@example.com>"'),
        ("Müllers Blatt", "=?utf-8?q?M=C3=BCllers_Blatt?="),
        ("Ä, Ö", "=?utf-8?b?w4QsIMOW?="),
    ],
)
def test_the_title_before_a_list_id_is_quoted_where_needed(title: str, phrase: str) -> None:
    """RFC 2919 section 3: a phrase, that is, words or a quoted string."""
    titled = stream(title=title, list_id="news.acme.example")
    assert unsubscribe_edits(titled, headers(), None) == [Add(LIST_ID, f"{phrase} <news.acme.example>")]


@examples(100)
@given(st.text(st.sampled_from('ab"\\<>@.') | st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80))
def test_a_list_id_that_was_added_is_read_as_what_it_is(title: str) -> None:
    """A rule on list_id finds the identifier, whatever the title looks like."""
    edit = unsubscribe_edits(stream(title=title, list_id="news.acme.example"), headers(), None)[0]
    assert isinstance(edit, Add)
    rule = Rule(1, "acme.newsletter", list_ids=(Glob.of("news.acme.example"),))
    assert rule.fits(Principal(), "", headers((edit.name, edit.value))) is Answer.YES


def test_the_status_names_the_stream_and_nobody() -> None:
    """It is the same for every recipient of the message."""
    assert status(LINKED) == Add("X-Consent-Status", "opted-out; stream=acme.newsletter")


def test_all_fields_that_are_looked_at_are_asked_for() -> None:
    """The milter keeps no others."""
    assert {
        "list-unsubscribe",
        "list-unsubscribe-post",
        "list-id",
        "dkim-signature",
        "message-id",
        "x-consent-status",
        "x-consent-route",
    } == WANTED
