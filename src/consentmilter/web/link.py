"""What an unsubscribe link stands for: who, which stream of which sender, and what else there is to stop."""

from dataclasses import dataclass

from consentmilter import tokens
from consentmilter.errors import TokenError
from consentmilter.service.targets import Target
from consentmilter.tokens import Purpose, Token
from consentmilter.web.context import Context
from consentmilter.web.offer import Offer, offer


@dataclass(frozen=True, slots=True)
class Link:
    """One link; `text` is its token as it was sent."""

    text: str
    token: Token
    target: Target
    offer: Offer


def read_link(text: str, context: Context) -> Link:
    """The link with this token; raises TokenError if it is none of ours."""
    try:
        token = tokens.read(text, Purpose.UNSUBSCRIBE, context.ring)
    except TokenError:
        # The link of the mail by which the intake asks whether a request was really made.
        token = tokens.read(text, Purpose.CONFIRM, context.ring)
    target = context.targets.of_hash(token.stream)
    return Link(text, token, target, offer(target, context.site))
