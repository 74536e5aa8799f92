"""Why a message is refused as a whole, whoever its recipients are. Pure."""

from enum import StrEnum

from consentmilter.policy.classify import Classification
from consentmilter.policy.mail import Headers
from consentmilter.policy.settle import Pass
from consentmilter.policy.site import Existing, FalseClaim, MultiRecipient, Site, Stream


class Objection(StrEnum):
    """What is wrong with the message; the value is the reason in log and journal."""

    BAD_ADDRESS = "bad-address"
    NO_STREAM = "no-stream"
    FALSE_CLAIM = "false-claim"
    OWN_UNSUBSCRIBE = "own-unsubscribe"
    SEVERAL_RECIPIENTS = "several-recipients"


def object_to(
    site: Site, found: Classification, headers: Headers, *, people: int, stage: Pass, unreadable: bool
) -> Objection | None:
    """The objection to a message to `people` different recipients, one of whose addresses may be `unreadable`."""
    stream = found.stream
    if unreadable:
        return Objection.BAD_ADDRESS
    if stream is None:
        return Objection.NO_STREAM if found.unwanted else None
    if found.false_claim and site.false_claim is FalseClaim.REJECT:
        return Objection.FALSE_CLAIM
    return _object_to_link(stream, headers, people=people, stage=stage) if stream.unsubscribe_header else None


def _object_to_link(stream: Stream, headers: Headers, *, people: int, stage: Pass) -> Objection | None:
    if stream.existing is Existing.REJECT and headers.has("list-unsubscribe"):
        return Objection.OWN_UNSUBSCRIBE
    if stream.multi_recipient is MultiRecipient.REJECT and people > 1 and stage is not Pass.FIRST:
        return Objection.SEVERAL_RECIPIENTS
    return None
