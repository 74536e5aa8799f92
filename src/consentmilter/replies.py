"""The texts of SMTP replies: fixed templates, one line, safe characters, under 512 octets.

Nothing of the client's text is echoed but the address it gave, cleaned. `%` is not doubled here; who hands the text to
libmilter does that (smfi_setreply). RFC 5321 4.5.3.1.5 bounds the reply line, RFC 3463 the enhanced codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consentmilter.model import Reason, Suppression
from consentmilter.policy.site import Site, Stream

MAX_TEXT = 490
"""Octets of a reply's text, so that with the codes and CRLF the line stays under 512."""

_VERBS = {
    Reason.LEGAL: "is blocked from",
    Reason.HARD_BOUNCE: "is undeliverable, no mail of",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: the code, the enhanced code, and the text."""

    code: str
    enhanced: str
    text: str


def opted_out(raw_rcpts: Sequence[str], row: Suppression, site: Site, stream: Stream, ref: str) -> Reply:
    """The refusal of one or more recipients, of whom `row` is the suppression of the first."""
    scope = site.scope_title(row.scope)
    name = f" ({row.scope})" if row.scope != "*" else ""
    verb = _VERBS.get(row.reason, "opted out of")
    why = f"{verb} {scope}{name} by {row.reason} on {row.created:%Y-%m-%d}"
    mend = "remove this address from your list" if len(raw_rcpts) == 1 else "remove these addresses from your list"
    return _reply("550", "5.7.1", f"{why}; {mend}", ref, raw_rcpts=raw_rcpts, help_url=stream.help_url)


def deferred(raw_rcpts: Sequence[str], stream: Stream, ref: str) -> Reply:
    """The deferral that a stream with `action: defer` asks for."""
    return _reply("450", "4.7.1", f'mail of "{stream.title}" ({stream.name}) waits', ref, raw_rcpts=raw_rcpts)


def store_away(ref: str) -> Reply:
    """The deferral while consent cannot be verified; the cause goes to the log."""
    return _reply("451", "4.3.0", "consent cannot be verified now, try again later", ref)


def fault(ref: str) -> Reply:
    """The deferral for a fault of ours; the cause goes to the log."""
    return _reply("451", "4.3.0", "consent filter error, try again later", ref)


def false_claim(claimed: str, ref: str) -> Reply:
    return _reply("550", "5.7.1", f"you may not send mail as {claimed}", ref)


def no_stream(ref: str) -> Reply:
    return _reply("550", "5.7.1", "this mail belongs to no stream that is set up here", ref)


def own_unsubscribe(stream: Stream, ref: str) -> Reply:
    text = f"mail of {stream.name} must not bring its own List-Unsubscribe"
    return _reply("550", "5.7.1", text, ref)


def one_recipient(stream: Stream, ref: str) -> Reply:
    text = f"mail of {stream.name} must have one recipient a message"
    return _reply("550", "5.7.1", text, ref)


def split(ref: str) -> Reply:
    """RFC 5321 4.5.3.1.10: too many recipients; the client sends the rest in further messages."""
    return _reply("452", "4.5.3", "one recipient a message, send the others separately", ref)


def no_route(ref: str) -> Reply:
    return _reply("451", "4.3.5", "no valid X-Consent-Route from the first pass", ref)


def bad_address(ref: str) -> Reply:
    return _reply("553", "5.1.3", "the recipient address cannot be read", ref)


def _reply(
    code: str, enhanced: str, why: str, ref: str, *, raw_rcpts: Sequence[str] = (), help_url: str | None = None
) -> Reply:
    tail = _safe(f"{why}{f'; see {help_url}' if help_url else ''} [{ref}]")
    if not raw_rcpts:
        return Reply(code, enhanced, tail[:MAX_TEXT])
    return Reply(code, enhanced, f"{_names(raw_rcpts, MAX_TEXT - len(tail) - 2)}: {tail}")


def _names(raw_rcpts: Sequence[str], room: int) -> str:
    """As many of the addresses as there is room for, and how many more there are."""
    names = [f"<{_safe(raw).strip('<>')}>" for raw in raw_rcpts]
    for shown in range(len(names), 0, -1):
        rest = f" and {len(names) - shown} more" if shown < len(names) else ""
        text = ", ".join(names[:shown]) + rest
        if len(text) <= room:
            return text
    return names[0][: max(room, 0)]


def _safe(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)
