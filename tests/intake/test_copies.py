"""Copies of our own mail: what their signature covers is noted by stream."""

from datetime import timedelta

import pytest

from consentmilter.tokens import Purpose
from tests.intake.lmtp import Lmtp
from tests.intake.site import NOON, Site, letter

POST = {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
BOTH = "v=1; a=rsa-sha256; d=acme.example; h=From:List-Unsubscribe:\r\n\tList-Unsubscribe-Post; b=x"
ONE = "v=1; a=rsa-sha256; d=acme.example; h=From:List-Unsubscribe; b=x"


def deliver(site: Site, token: str, signature: str | None = None, **headers: str) -> None:
    link = {"List-Unsubscribe": f"<https://u.example.com/u/{token}>,\r\n\t<mailto:unsub+{token}@example.com>"}
    fields = {**({"DKIM-Signature": signature} if signature else {}), **link, **POST, **headers}
    with Lmtp(site.socket) as lmtp:
        lmtp.send(letter(sender="news@acme.example", headers=fields), "dkim-check@example.com")[0].expects(250)


def checks(site: Site) -> list[tuple[str, int, str]]:
    return site.rows("SELECT stream, covered, detail FROM dkim_check ORDER BY stream")


@pytest.mark.parametrize(
    ("signature", "covered", "detail"),
    [
        (BOTH, 1, "covered"),
        (ONE, 0, "not covered: List-Unsubscribe-Post"),
        (None, 0, "not covered: List-Unsubscribe, List-Unsubscribe-Post"),
    ],
)
def test_what_the_signature_covers_is_noted_for_the_stream_of_the_link(
    site: Site, signature: str | None, covered: int, detail: str
) -> None:
    """The last copy counts."""
    deliver(site, site.token(), ONE if covered else BOTH)
    deliver(site, site.token(), signature)
    assert checks(site) == [("acme.newsletter", covered, detail)]
    assert site.held() == []


def test_copies_that_prove_nothing_are_ignored(site: Site) -> None:
    """Without a token of ours for the purpose, or with one of long ago."""
    deliver(site, "a" * 52)
    deliver(site, site.token(purpose=Purpose.CONFIRM))
    deliver(site, site.token(issued=NOON.date() - timedelta(days=8)))
    deliver(site, "")
    assert checks(site) == []


def test_a_copy_without_the_one_click_field_says_nothing(site: Site) -> None:
    """Where the field is withheld, no signature can cover it; else it could never come back."""
    deliver(site, site.token(), BOTH)
    with Lmtp(site.socket) as lmtp:
        fields = {"List-Unsubscribe": f"<https://u.example.com/u/{site.token()}>"}
        lmtp.send(letter(headers=fields), "dkim-check@example.com")[0].expects(250)
    assert checks(site) == [("acme.newsletter", 1, "covered")]
