"""The texts of SMTP replies: fixed templates, one line, safe characters, under 512 octets.

Nothing of the client's text is echoed but the address it gave, cleaned. `%` is not doubled here; who hands the text to
libmilter does that (smfi_setreply). RFC 5321 4.5.3.1.5 bounds the reply line, RFC 3463 the enhanced codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consentmilter.model import ALL, Reason, Suppression, Verdict
from consentmilter.policy.consents import Lack
from consentmilter.policy.decide import Decision
from consentmilter.policy.objections import Objection
from consentmilter.policy.site import Site, Stream

MAX_TEXT = 490
"""Octets of a reply's text, so that with the codes and CRLF the line stays under 512."""

_NAMES_ROOM = 80
"""What is kept free for the recipients, however long the cause is: a scope may be of any length."""

_VERBS = {
    Reason.LEGAL: "blocked for",
    Reason.HARD_BOUNCE: "undeliverable, suppressed for",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: the code, the enhanced code, and the text."""

    code: str
    enhanced: str
    text: str


def refused(recipients: Sequence[tuple[str, Decision]], site: Site, stream: Stream, ref: str) -> Reply:
    """The refusal of recipients, each as it was given and with what was decided about it."""
    whys = {_why(decision, site, stream) for _, decision in recipients}
    why = whys.pop() if len(whys) == 1 else _shared([decision for _, decision in recipients], site, stream)
    of_domain = _of_domain(recipients[0][1].suppression)
    these = "these addresses" if len(recipients) > 1 else "this domain" if of_domain else "this address"
    raws = [raw for raw, _ in recipients]
    text = f"{why}; remove {these} from your list"
    return _reply("550", "5.7.1", text, ref, raw_rcpts=raws, help_url=stream.help_url)


def deferred(raw_rcpts: Sequence[str], stream: Stream, ref: str) -> Reply:
    """The deferral that a stream with `action: defer` asks for."""
    return _reply("450", "4.7.1", f'mail of "{stream.title}" ({stream.name}) waits', ref, raw_rcpts=raw_rcpts)


def over_limit(raw_rcpts: Sequence[str], stream: Stream, verdict: Verdict, ref: str) -> Reply:
    """The refusal or deferral of exempt mail of which enough went out today."""
    text = f'the limit of mail a day of "{stream.title}" ({stream.name}) is reached'
    codes = ("550", "5.7.1") if verdict is Verdict.REJECT else ("450", "4.7.1")
    return _reply(*codes, text, ref, raw_rcpts=raw_rcpts, help_url=stream.help_url)


def objected(objection: Objection, stream: Stream | None, claimed: str | None, ref: str) -> Reply:
    """The refusal of a message as a whole."""
    name = stream.name if stream else ""
    match objection:
        case Objection.BAD_ADDRESS:
            return _reply("553", "5.1.3", "the recipient address cannot be read", ref)
        case Objection.NO_STREAM:
            return _reply("550", "5.7.1", "this mail belongs to no stream that is set up here", ref)
        case Objection.FALSE_CLAIM:
            return _reply("550", "5.7.1", f"you may not send mail as {claimed}", ref)
        case Objection.OWN_UNSUBSCRIBE:
            return _reply("550", "5.7.1", f"mail of {name} must not bring its own List-Unsubscribe", ref)
        case Objection.SEVERAL_RECIPIENTS:
            return _reply("550", "5.7.1", f"mail of {name} must have one recipient a message", ref)


def split(ref: str) -> Reply:
    """Too many recipients: the client sends the rest in further messages (RFC 5321 4.5.3.1.10)."""
    return _reply("452", "4.5.3", "one recipient a message, send the others separately", ref)


def store_away(ref: str) -> Reply:
    """The deferral while consent cannot be verified; the cause goes to the log."""
    return _reply("451", "4.3.0", "consent cannot be verified now, try again later", ref)


def fault(ref: str) -> Reply:
    """The deferral for a fault of ours; the cause goes to the log."""
    return _reply("451", "4.3.0", "consent filter error, try again later", ref)


def no_route(ref: str) -> Reply:
    """The deferral of mail that reached the second pass without a good statement of the first."""
    return _reply("451", "4.3.5", "no valid X-Consent-Route from the first pass", ref)


def _why(decision: Decision, site: Site, stream: Stream) -> str:
    if decision.suppression is not None:
        return _opted_out(decision.suppression, site)
    if decision.lack is Lack.WITHDRAWN and decision.consent is not None:
        scope = decision.consent.stream
        return f"consent to {site.scope_title(scope)}{_name(scope)} withdrawn on {decision.consent.at:%Y-%m-%d}"
    return f"no recorded consent for {site.scope_title(stream.name)}{_name(stream.name)}"


def _shared(decisions: Sequence[Decision], site: Site, stream: Stream) -> str:
    """What several people with a reason each have in common; the log has every one."""
    verb = "no consent to" if any(decision.lack for decision in decisions) else "opted out of"
    return f"{verb} {site.scope_title(stream.name)}{_name(stream.name)}"


def _opted_out(row: Suppression, site: Site) -> str:
    verb = _VERBS.get(row.reason, "opted out of")
    return f"{verb} {site.scope_title(row.scope)}{_name(row.scope)} by {row.reason} on {row.created:%Y-%m-%d}"


def _name(scope: str) -> str:
    return "" if scope == ALL else f" ({scope})"


def _of_domain(row: Suppression | None) -> bool:
    return row is not None and row.address is not None and "@" not in row.address


def _reply(
    code: str, enhanced: str, why: str, ref: str, *, raw_rcpts: Sequence[str] = (), help_url: str | None = None
) -> Reply:
    tail = _safe(f"; see {help_url} [{ref}]" if help_url else f" [{ref}]")
    cause = _shorten(_safe(why), MAX_TEXT - len(tail) - (_NAMES_ROOM if raw_rcpts else 0))
    names = f"{_names(raw_rcpts, MAX_TEXT - len(cause + tail) - 2)}: " if raw_rcpts else ""
    return Reply(code, enhanced, names + cause + tail)


def _names(raw_rcpts: Sequence[str], room: int) -> str:
    """As many of the addresses as there is room for, and how many more there are."""
    names = [f"<{_safe(raw).strip('<>')}>" for raw in raw_rcpts[: room // len("<>, ") + 1]]
    for shown in range(len(names), 0, -1):
        text = ", ".join(names[:shown]) + _more(len(raw_rcpts) - shown)
        if len(text) <= room:
            return text
    more = _more(len(raw_rcpts) - 1)
    return _shorten(names[0], room - len(more)) + more


def _more(count: int) -> str:
    return f" and {count} more" if count else ""


def _shorten(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 3] + "..."


def _safe(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)
