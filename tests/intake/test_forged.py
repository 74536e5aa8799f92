"""A thousand mails that are not what they claim to be, and not one suppression."""

import random
from collections.abc import Iterator

from consentmilter.tokens import Purpose
from lab.sink import Sink
from tests.intake.lmtp import Lmtp
from tests.intake.site import Site, bounced, complained, letter

SEED = 20260301
COUNT = 1000

FORGED_RESULTS: tuple[dict[str, str], ...] = (
    {"Authentication-Results": "mx.evil.example; dkim=pass header.d=example.org"},
    {"Authentication-Results": "mx.example.com.evil.example; spf=pass smtp.mailfrom=ann@example.org"},
    {"Authentication-Results": "mx.example.com; dkim=pass header.d=evil.example"},
    {"Authentication-Results": "mx.example.com; dkim=none; spf=softfail smtp.mailfrom=ann@example.org"},
    {"Authentication-Results": 'evil; reason="mx.example.com; dkim=pass header.d=example.org"'},
    {"X-Authentication-Results": "mx.example.com; dkim=pass header.d=example.org"},
    {},
)


def damaged(token: str, chance: random.Random) -> str:
    """The token with another character somewhere, or one too few."""
    at = chance.randrange(len(token))
    other = chance.choice("abcdefghijklmnopqrstuvwxyz234567".replace(token[at], ""))
    return chance.choice((token[:at] + other + token[at + 1 :], token[:at] + token[at + 1 :], token[::-1]))


def forgeries(site: Site, chance: random.Random) -> Iterator[tuple[str, bytes, str]]:
    """Envelope sender, message and recipient, without end."""
    tokens = {purpose: site.token(purpose=purpose) for purpose in Purpose}
    wrong = [tokens[Purpose.UNSUBSCRIBE], tokens[Purpose.CONFIRM], tokens[Purpose.UNDO]]
    people = ["unsub@example.com", "unsub@acme.example", "privacy@example.com", "unsub+acme.newsletter@example.com"]
    while True:
        broken = damaged(tokens[Purpose.UNSUBSCRIBE], chance)
        person = chance.choice(people)
        link = f"<https://u.example.com/u/{broken}>"
        headers = chance.choice(FORGED_RESULTS)
        yield chance.choice(
            [
                ("", bounced("5.1.1"), f"bounce+{chance.choice(wrong)}@example.com"),
                ("", bounced("5.1.1"), f"bounce+{damaged(tokens[Purpose.BOUNCE], chance)}@example.com"),
                ("", bounced("5.1.1"), person),
                ("", complained(chance.choice([link, "<mailto:ann@example.org>", tokens[Purpose.UNDO]])), person),
                ("", complained(link, kind="opt-out"), person),
                ("ann@example.org", letter(proven=False, headers=headers), person),
                ("ann@example.org", letter(proven=False, headers=headers, body="STOP\r\n"), person),
                ("ann@example.org", letter(proven=False, headers=headers), f"unsub+{broken}@example.com"),
                ("ann@example.org", letter(proven=False), f"unsub+{tokens[Purpose.BOUNCE]}@example.com"),
                ("eve@example.com", letter(sender="ann@example.org, eve@example.com", headers=headers), person),
            ]
        )


def test_a_thousand_forgeries_suppress_nobody(site: Site, sink: Sink) -> None:
    """Bounces, complaints and requests, without a token of ours for the purpose and without a proven sender."""
    chance = random.Random(SEED)
    codes = []
    with Lmtp(site.socket) as lmtp:
        for _, (sender, content, recipient) in zip(range(COUNT), forgeries(site, chance), strict=False):
            lmtp.mail(sender).expects(250)
            if lmtp.rcpt(recipient).code == 250:
                codes.append(lmtp.data(content)[0].code)
            else:
                codes.append(550)
                lmtp.command("RSET")
    assert site.rows() == [], f"seed {SEED}"
    assert set(codes) == {250, 550, 554}
    assert 1 <= len(sink.messages) <= 3  # Ann is asked once about each scope


def test_the_same_mails_with_what_they_lack_do_suppress(site: Site) -> None:
    """The test above can fail: each kind of mail is taken seriously once it is proven."""
    token = site.token()
    mails = [
        (bounced("5.1.1"), f"bounce+{site.token(purpose=Purpose.BOUNCE)}@example.com"),
        (complained(f"<https://u.example.com/u/{token}>"), "unsub@example.com"),
        (letter(), "unsub@acme.example"),
        (letter(proven=False), f"unsub+{token}@example.com"),
    ]
    with Lmtp(site.socket) as lmtp:
        for content, recipient in mails:
            lmtp.send(content, recipient)[0].expects(250)
    assert {reason for _, reason, _ in site.held()} == {"hard_bounce", "complaint", "unsubscribe"}
    assert {scope for scope, _, _ in site.held()} == {"acme", "acme.newsletter"}
