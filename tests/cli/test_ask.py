"""`consentmilter check` and `consentmilter explain`."""

import hashlib
from datetime import UTC, datetime

import pytest

from consentmilter.addresses import Folding, mailable
from consentmilter.keys import KeyRing, subjects_for
from consentmilter.subjects import own_subjects, subject_named, subjects_about
from tests.cli.installation import SITE, Installation

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
RING = KeyRing(1, b"s" * 32, 1, {1: b"t" * 32})


def test_nobody_on_the_list_would_be_sent_everything(site: Installation) -> None:
    """A line for each stream, the built-in ones too, and exit code 0."""
    done = site.run("check", "a@x.example")
    assert done.lines == ["bulk: accept", "unclassified: accept", "acme.newsletter: accept", "acme.security: accept"]
    assert done.err == ""


def test_who_opted_out_would_not_be_sent(site: Installation) -> None:
    """Exit code 1, unless only an exempt stream is asked for."""
    site.run("add", "a@x.example", "--reason", "unsubscribe")
    why = f"(unsubscribe in * since {TODAY})"
    assert site.run("check", "A@X.example", code=1).lines == [
        f"bulk: reject {why}",
        f"unclassified: reject {why}",
        f"acme.newsletter: reject {why}",
        f"acme.security: accept {why}, bypassed: security-patch is exempt",
    ]
    assert site.run("check", "a@x.example", "--stream", "acme.newsletter", code=1).lines == [
        f"acme.newsletter: reject {why}"
    ]
    site.run("check", "a@x.example", "--stream", "acme.security", code=0)


def test_exempt_mail_does_not_go_past_a_hard_bounce(site: Installation) -> None:
    """No category bypasses all reasons."""
    site.run("add", "a@x.example", "--reason", "hard_bounce")
    site.run("check", "a@x.example", "--stream", "acme.security", code=1)


def test_an_unknown_stream_is_refused_with_the_mend(site: Installation) -> None:
    """Rather than asked for."""
    done = site.run("check", "a@x.example", "--stream", "acme.news", code=2)
    assert (done.out, done.err) == (
        "",
        "error: --stream: unknown stream 'acme.news' (did you mean acme.newsletter?)\n",
    )


@pytest.mark.parametrize("command", ["check", "explain"])
@pytest.mark.parametrize("wrong", ["reader", "a@b@", "", "a b@x.example", "example..com", "\x1b[2J@x.example"])
def test_what_is_no_subject_is_refused(site: Installation, command: str, wrong: str) -> None:
    """In a sentence, and with nothing that plays tricks on a terminal."""
    done = site.run(command, wrong, code=2)
    assert (done.out, done.err[:7]) == ("", "error: ")
    assert "\x1b" not in done.err
    assert "Traceback" not in done.err


def test_a_domain_is_asked_for_as_such(site: Installation) -> None:
    """What holds for everybody there; single people of it do not matter."""
    site.run("add", "a@x.example")
    site.run("check", "x.example")
    site.run("add", ".example.net", "x.example")
    site.run("check", "x.example", code=1)
    site.run("check", "m.example.net", code=1)
    site.run("check", ".m.example.net", code=1)
    site.run("check", "example.net")
    site.run("check", "b@x.example", code=1)
    site.run("check", "b@m.x.example")


def test_an_expired_suppression_refuses_nothing(site: Installation) -> None:
    """It is shown as expired."""
    site.run("add", "a@x.example", "--expires", "2999-01-01T00:00Z")
    site.alter("UPDATE suppression SET expires = 1000000000")
    site.run("check", "a@x.example")
    assert ", expired 2001-09-09 01:46 UTC" in site.run("explain", "a@x.example").out


def test_observe_mode_answers_as_if_enforcing(site: Installation) -> None:
    """And says that it only observes."""
    site.configure(**{**SITE, "mode": "observe"})
    site.run("add", "a@x.example")
    done = site.run("check", "a@x.example", "--stream", "acme.newsletter", code=1)
    assert done.out == f"acme.newsletter: reject (manual in * since {TODAY}), only observed\n"


def test_another_action_is_told(site: Installation) -> None:
    """Whoever is suppressed is a no, even if the stream only tags."""
    site.configure(**{**SITE, "streams": {"acme.newsletter": {"action": "tag"}}, "classify": []})
    site.run("add", "a@x.example")
    done = site.run("check", "a@x.example", "--stream", "acme.newsletter", code=1)
    assert done.out.startswith("acme.newsletter: tag (manual in *")


def test_check_prints_json(site: Installation) -> None:
    """Always the same keys, for yes and for no."""
    site.run("add", "a@x.example", "--scope", "acme", "--reason", "complaint")
    said = site.run("check", "A@x.example", "--json", code=1).json
    assert {key: said[key] for key in ("subject", "sent")} == {"subject": "a@x.example", "sent": False}
    assert len(bytes.fromhex(said["key"])) == 16
    keys = [
        "stream", "category", "basis", "mode", "verdict", "bypassed", "opted_in", "reason", "scope", "since", "list",
    ]  # fmt: skip
    assert [list(each) for each in said["streams"]] == [keys] * 4
    [newsletter] = [each for each in said["streams"] if each["stream"] == "acme.newsletter"]
    assert datetime.fromisoformat(newsletter.pop("since")).tzinfo is not None
    assert newsletter == {
        "stream": "acme.newsletter",
        "category": "marketing",
        "basis": "consent",
        "mode": "enforce",
        "verdict": "reject",
        "bypassed": False,
        "opted_in": None,
        "reason": "complaint",
        "scope": "acme",
        "list": None,
    }
    fine = site.run("check", "b@x.example", "--stream", "bulk", "--json").json
    assert (fine["sent"], [list(each) for each in fine["streams"]]) == (True, [keys])


def test_explain_tells_everything(site: Installation) -> None:
    """Suppressions of the person and of the domains, verdicts, imports, and the ledger with its evidence."""
    listed = site.file("list.csv", "email,reason,date\nA@m.x.example,unsubscribe,2026-02-01\n")
    batch = site.run("import", listed, "--json").json[0]["batch"]
    site.run("add", "a@m.x.example", "--reason", "unsubscribe", "--evidence", "phone\x07call")
    site.run("add", ".x.example", "--scope", "acme", "--expires", "2999-01-01")
    site.run("add", "a@m.x.example", "--scope", "bulk", "--reason", "legal")
    site.run("remove", "a@m.x.example", "--scope", "bulk", "--evidence", "a mistake")
    done = site.run("explain", "<A@M.X.example>")
    key = site.run("check", "a@m.x.example", "--json", code=1).json["key"]
    lines = [line.replace(TODAY, "TODAY") for line in done.lines]
    assert lines[:6] == [
        f"a@m.x.example  (key {key})",
        "",
        "suppressions:",
        f"  a@m.x.example: unsubscribe in * since 2026-02-01 by import {batch}, asserted again",
        "  .x.example: manual in acme since TODAY by cli:alice, until 2999-01-01 23:59 UTC",
        "",
    ]
    assert lines[6:11] == [
        "streams:",
        "  bulk: reject (unsubscribe in * since 2026-02-01)",
        "  unclassified: reject (unsubscribe in * since 2026-02-01)",
        "  acme.newsletter: reject (unsubscribe in * since 2026-02-01)",
        "  acme.security: accept (unsubscribe in * since 2026-02-01), bypassed: security-patch is exempt",
    ]
    assert lines[11:13] == ["", "imports:"]
    assert lines[13].startswith(f"  {batch}: {listed} by alice on TODAY ")
    assert [line.split(" UTC ", 1)[-1] for line in lines[14:]] == [
        "",
        "ledger:",
        "repeat a@m.x.example: unsubscribe in * by cli:alice: phone\\x07call",
        "add .x.example: manual in acme by cli:alice",
        "add a@m.x.example: legal in bulk by cli:alice",
        "lift a@m.x.example: legal in bulk by cli:alice: a mistake",
    ]


def test_explain_of_nobody_is_short(site: Installation) -> None:
    """And ends with 0: it is no question of yes and no."""
    done = site.run("explain", "a@x.example")
    assert done.lines[2:4] == ["no suppressions", ""]
    assert "ledger:" not in done.lines


def test_explain_prints_json(site: Installation) -> None:
    """Always the same keys."""
    listed = site.file("list.txt", "a@x.example\n")
    site.run("import", listed)
    site.run("add", "a@x.example", "--evidence", "phone")
    said = site.run("explain", "a@x.example", "--json").json
    assert {"subject", "key", "suppressions", "streams", "imports", "ledger"} <= set(said)
    assert [list(row) for row in said["suppressions"]] == [
        ["subject", "scope", "reason", "since", "expires", "origin", "batch", "list", "asserted_again", "holds"]
    ] * 2
    assert [list(row) for row in said["imports"]] == [["batch", "file", "actor", "started", "finished", "undone"]]
    assert [list(row) for row in said["ledger"]] == [
        ["at", "action", "subject", "scope", "reason", "actor", "source", "batch", "evidence"]
    ]
    assert said["ledger"][0]["evidence"] == "phone"
    nobody = site.run("explain", "b@x.example", "--json").json
    assert [nobody[key] for key in ("suppressions", "imports", "ledger")] == [[], [], []]


@pytest.mark.parametrize(("algorithm", "name"), [("md5", "MD5"), ("sha1", "SHA-1"), ("sha256", "SHA-256")])
def test_check_and_explain_see_hash_lists(site: Installation, algorithm: str, name: str) -> None:
    """And say which list it is, and what of the address it holds."""
    digest = hashlib.new(algorithm, b"a@x.example").hexdigest()
    batch = site.run("import", site.file("partner\x1b.txt", f"{digest}\n"), "--json").json[0]["batch"]
    listed = "imported in * since TODAY, on the hash list partner\\x1b.txt"
    lines = site.run("check", "A@x.example", "--stream", "bulk", code=1).lines
    assert [line.replace(TODAY, "TODAY") for line in lines] == [f"bulk: reject ({listed})"]
    explained = site.run("explain", "a@x.example").out.replace(TODAY, "TODAY")
    assert (
        f"  {name} of a@x.example: imported in * since TODAY by import {batch} on the hash list partner\\x1b.txt\n"
        in explained
    )
    assert f"  {batch}: " in explained
    said = site.run("explain", "a@x.example", "--json").json
    assert [(row["list"], row["origin"]) for row in said["suppressions"]] == [
        ("partner\x1b.txt", "list:partner\x1b.txt")
    ]
    assert site.run("check", "a@x.example", "--json", code=1).json["streams"][0]["list"] == "partner\x1b.txt"
    site.run("check", "b@x.example")
    site.run("check", "x.example")


def test_explain_names_a_person_whose_address_is_not_stored(bare: Installation) -> None:
    """Who asks has said it."""
    bare.configure(**SITE, privacy={"store_addresses": False})
    bare.run("init")
    bare.run("add", "a@m.x.example", ".x.example")
    rows = bare.run("explain", "A@m.x.example", "--json").json["suppressions"]
    assert [row["subject"] for row in rows] == ["a@m.x.example", ".x.example"]


def test_a_file_name_that_is_no_text_can_be_shown(site: Installation) -> None:
    """In text and in JSON, on a terminal of any encoding."""
    site.run("import", "-", given=b"a@x.example\n")
    site.alter("UPDATE import_batch SET file = 'caf\u00e9' || char(27) || '[2J'")
    assert "caf\u00e9\\x1b[2J by alice" in site.run("explain", "a@x.example").out
    assert site.run("explain", "a@x.example", "--json").json["imports"][0]["file"] == "caf\u00e9\x1b[2J"


@pytest.mark.parametrize("address", ["a@m.x.example", "A.b+c@X.example.", '"a b"@x.example', "a@[192.0.2.1]"])
def test_a_command_asks_for_the_keys_that_the_milter_asks_for(address: str) -> None:
    """In the same order, foldings or not."""
    for foldings in ({}, {"*": Folding("+", ignore_dots=True)}):
        found = subjects_about(address, RING, foldings)
        assert tuple(each.key for each in found) == subjects_for(mailable(address), RING, foldings)
        assert found[0].key == subject_named(address, RING, foldings).key
        assert own_subjects(address, RING, foldings)[0] == found[0]


def test_a_domain_is_covered_by_its_parents_and_is_itself_alone() -> None:
    """`.x.example` is not covered by `x.example`: that is the domain, these are those below it."""

    def about(text: str) -> list[str]:
        return [each.text for each in subjects_about(text, RING, {})]

    assert about("M.x.example") == ["m.x.example", ".x.example", ".example"]
    assert about(".x.example") == [".x.example", ".example"]
    assert [each.text for each in own_subjects("m.x.example", RING, {})] == ["m.x.example"]
    assert [each.text for each in own_subjects(".x.example", RING, {})] == [".x.example"]
