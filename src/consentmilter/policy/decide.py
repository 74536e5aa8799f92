"""The verdict for one recipient: category, stream and facts in; verdict and reason out.

Any reason that the category does not bypass refuses, so adding a suppression never turns a refusal into an accept.
A fixed order of reasons says which one is shown. Consent is asked for where the stream requires it; its withdrawal
refuses everything but exempt mail. A confirmed opt-in outdoes an older opt-out for exactly its stream, and nothing
else that stands against the person.
"""

from dataclasses import dataclass
from datetime import datetime

from consentmilter.model import REASON_RANK, Consent, ConsentState, Reason, Suppression, Verdict, covers
from consentmilter.policy.consents import Lack, standing
from consentmilter.policy.facts import Facts
from consentmilter.policy.site import Stream

OUTDONE = frozenset({Reason.UNSUBSCRIBE, Reason.IMPORTED})
"""The reasons that a person takes back by a later opt-in that they confirmed."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the mail to one recipient, and why.

    `suppression` is the one that decided, or the one that was bypassed or outdone when the verdict is accept. `lack`
    says that consent is what is missing. `consent` is the withdrawal that decided, or the opt-in that outdid the
    suppression. `unverified` says that the store could not be asked, `over_limit` that the rule of exempt mail has let
    enough through today.
    """

    verdict: Verdict
    suppression: Suppression | None = None
    unverified: bool = False
    lack: Lack | None = None
    consent: Consent | None = None
    over_limit: bool = False

    @property
    def bypassed(self) -> bool:
        return self.verdict is Verdict.ACCEPT and self.suppression is not None and self.consent is None

    @property
    def opted_in(self) -> bool:
        """Whether a confirmed opt-in outdid what stands against the person."""
        return self.verdict is Verdict.ACCEPT and self.consent is not None

    @property
    def plain(self) -> bool:
        """Whether there is nothing to tell: no suppression, nothing bypassed, nothing unverified."""
        return self.verdict is Verdict.ACCEPT and self.suppression is None and not self.unverified

    @property
    def reason(self) -> Reason | Lack | None:
        return self.lack or (self.suppression.reason if self.suppression else None)

    @property
    def scope(self) -> str | None:
        """Where what decided holds."""
        if self.lack:
            return self.consent.stream if self.consent else None
        return self.suppression.scope if self.suppression else None

    @property
    def since(self) -> datetime | None:
        """Since when what decided holds."""
        if self.lack:
            return self.consent.at if self.consent else None
        return self.suppression.created if self.suppression else None


ACCEPT = Decision(Verdict.ACCEPT)


def decide(stream: Stream, facts: Facts, now: datetime) -> Decision:
    """The verdict for a recipient about whom the store says `facts`."""
    consent = standing(facts.consents, stream.name) if facts.consents else None
    against = [row for row in facts.suppressions if covers(row.scope, stream.name) and row.holds(now)]
    against.sort(key=_rank)
    opt_in = consent if consent and consent.state is ConsentState.GRANTED and consent.confirmed else None
    refusing = [row for row in against if not _passes(row, stream, opt_in, facts)]
    if refusing:
        return Decision(stream.action, refusing[0])
    lack = _lack(stream, consent)
    if lack:
        return Decision(stream.action, lack=lack, consent=consent)
    if not against:
        return ACCEPT
    bypassed = against[0].reason in stream.category.bypasses
    return Decision(Verdict.ACCEPT, against[0], consent=None if bypassed else opt_in)


def undecidable(stream: Stream) -> Decision:
    """The verdict while the store cannot be asked: exempt mail goes, everything else waits."""
    return Decision(Verdict.ACCEPT if stream.category.exempt else Verdict.DEFER, unverified=True)


def _passes(row: Suppression, stream: Stream, opt_in: Consent | None, facts: Facts) -> bool:
    """Whether a suppression that holds lets mail of the stream through all the same."""
    if row.reason in stream.category.bypasses:
        return True
    if opt_in is None or row.reason not in OUTDONE or row.subject not in facts.own:
        return False
    return opt_in.at > row.last_said


def _lack(stream: Stream, consent: Consent | None) -> Lack | None:
    """What of consent is missing."""
    if consent is None:
        return Lack.NO_CONSENT if stream.requires_consent else None
    if consent.state is ConsentState.GRANTED or (stream.category.exempt and not stream.requires_consent):
        return None
    return Lack.WITHDRAWN


def _rank(row: Suppression) -> tuple[int, int, datetime]:
    # The narrowest scope and the oldest row tell the sender most.
    return REASON_RANK[row.reason], -len(row.scope), row.created
