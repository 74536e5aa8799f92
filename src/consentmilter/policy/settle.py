"""What becomes of the whole message at its end, from the verdicts of its recipients.

A milter can refuse a single recipient at RCPT only. At the end of the message it can refuse all, remove some, hold or
tag; this module says which, and nothing else does. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from consentmilter.model import Verdict
from consentmilter.policy.decide import Decision
from consentmilter.policy.site import Mixed, Stream


class Pass(StrEnum):
    """Which pass of the loop a message is in: none at most sites, else before or behind the split."""

    ONLY = "only"
    FIRST = "first"
    SECOND = "second"


class Outcome(StrEnum):
    """What the MTA is told at end of message."""

    DELIVER = "deliver"
    REJECT = "reject"
    DEFER = "defer"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient that was let in at RCPT, and what was decided about it.

    `removable` is False where its address cannot be handed back to Postfix octet by octet.
    """

    raw: str
    subject: bytes | None
    decision: Decision
    removable: bool = True


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to do with the message. `refused` are the recipients who are the reason of a refusal or deferral."""

    outcome: Outcome
    refused: tuple[Recipient, ...] = ()
    remove: tuple[Recipient, ...] = ()
    hold: bool = False
    tag: bool = False


DELIVER = Settlement(Outcome.DELIVER)


def refuse_now(decision: Decision, *, non_smtp: bool) -> bool:
    """Whether the recipient is refused or deferred at RCPT already, the stream being known.

    Mail from sendmail(1) never: Postfix takes a refusal there for a configuration error and keeps trying
    (cleanup_milter.c, cleanup_milter_emul_rcpt).
    """
    return not non_smtp and decision.verdict in (Verdict.REJECT, Verdict.DEFER)


def settle(stream: Stream, recipients: Sequence[Recipient], *, non_smtp: bool, stage: Pass = Pass.ONLY) -> Settlement:
    """What becomes of a message to these recipients if the stream is enforced."""
    affected = tuple(r for r in recipients if r.decision.verdict is not Verdict.ACCEPT)
    if not affected:
        return DELIVER
    if (stopped := _stopped(affected)) is not None:
        return stopped
    if stream.action in (Verdict.HOLD, Verdict.TAG) and stage is Pass.FIRST:
        return DELIVER  # behind the split each copy is held or tagged on its own
    if stream.action is Verdict.TAG:
        return Settlement(Outcome.DELIVER, tag=True)
    if len(affected) == len(recipients):
        return _settle_all(stream.action, affected)
    return _settle_mixed(stream, affected, non_smtp=non_smtp)


def _stopped(affected: tuple[Recipient, ...]) -> Settlement | None:
    """What stops the message as a whole, whatever its stream does with suppressed recipients."""
    if any(r.decision.unverified for r in affected):
        return Settlement(Outcome.DEFER, refused=affected)
    if beyond := tuple(r for r in affected if r.decision.over_limit):
        return Settlement(Outcome(beyond[0].decision.verdict), refused=beyond)
    return None


def _settle_all(action: Verdict, affected: tuple[Recipient, ...]) -> Settlement:
    match action:
        case Verdict.HOLD:
            return Settlement(Outcome.DELIVER, hold=True)
        case Verdict.DEFER:
            return Settlement(Outcome.DEFER, refused=affected)
        case _:
            # Removing everybody would make Postfix swallow the message after a 250 (qmgr_active.c).
            return Settlement(Outcome.REJECT, refused=affected)


def _settle_mixed(stream: Stream, affected: tuple[Recipient, ...], *, non_smtp: bool) -> Settlement:
    # Postfix may silently ignore a removal from sendmail(1) mail, since it compares with the address before rewriting.
    removing = stream.mixed is Mixed.REMOVE or stream.action is Verdict.REMOVE
    if removing and not non_smtp and all(r.removable for r in affected):
        return Settlement(Outcome.DELIVER, remove=affected)
    if stream.action is Verdict.DEFER and not non_smtp and stream.mixed is Mixed.REJECT:
        return Settlement(Outcome.DEFER, refused=affected)
    return Settlement(Outcome.REJECT, refused=affected)
