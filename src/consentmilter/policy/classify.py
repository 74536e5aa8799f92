"""Find the stream of a message, and notice a claim made without the right to it.

Pure. `classify` answers `None` while only the header can tell; it then wants to be asked again at end of message.
"""

from dataclasses import dataclass

from consentmilter.policy.mail import Headers, Principal
from consentmilter.policy.rules import Answer, Rule
from consentmilter.policy.site import BULK, UNCLASSIFIED, Site, Stream, Unclassified

BULK_MARKS = frozenset({"list-unsubscribe", "feedback-id", "precedence", "list-post", "auto-submitted"})
"""The header fields that the built-in rule for bulk mail looks at."""


@dataclass(frozen=True, slots=True)
class Classification:
    """The stream of a message; None if it has none and the site lets such mail pass.

    `rule` is the number of the rule that said so (None for a built-in one), `right` the proof that the principal
    gave for it, `false_claim` the stream that the message claimed without the right, `unwanted` says that the site
    refuses mail without a stream.
    """

    stream: Stream | None
    rule: int | None = None
    right: str = ""
    false_claim: str | None = None
    unwanted: bool = False


def classify(site: Site, principal: Principal, sender: str, headers: Headers | None) -> Classification | None:
    """The stream of an outbound message, or None while the header must be seen first.

    `sender` is the canonical envelope sender, empty for the null sender.
    """
    for position, rule in enumerate(site.rules):
        answer = rule.fits(principal, sender, headers)
        right = rule.right(principal)
        if answer is Answer.NO or right is None:
            continue
        if answer is Answer.MAYBE:
            return None
        later = site.rules[position + 1 :]
        claim = _false_claim(site.rules[:position] + later, principal, sender, headers)
        return Classification(site.streams[rule.stream], rule.number, right, claim)
    if headers is None and site.rules_read_header:
        return None
    claim = _false_claim(site.rules, principal, sender, headers)
    if claim or (site.bulk_rule and headers is not None and is_bulk(sender, headers)):
        return Classification(site.streams[BULK], false_claim=claim)
    if site.unclassified is Unclassified.ENFORCE:
        return Classification(site.streams[UNCLASSIFIED])
    return Classification(None, unwanted=site.unclassified is Unclassified.REJECT)


def is_bulk(sender: str, headers: Headers) -> bool:
    """Whether mail bears the marks of bulk mail and is neither a discussion list nor automatic (RFC 3834)."""
    if not sender or headers.has("list-post"):
        return False
    if any(value.lower() != "no" for value in headers.values("auto-submitted")):
        return False
    if headers.has("list-unsubscribe") or headers.has("feedback-id"):
        return True
    return any(value.lower() == "bulk" for value in headers.values("precedence"))


def _false_claim(rules: tuple[Rule, ...], principal: Principal, sender: str, headers: Headers | None) -> str | None:
    for rule in rules:
        if rule.right(principal) is None and rule.fits(principal, sender, headers) is Answer.YES:
            return rule.stream
    return None
