"""What the recorded consents of a person come to: which one stands for a stream, and what a new one changes. Pure.

A grant is for exactly one stream: it says nothing of the streams beside, above or below. A withdrawal covers the
streams below its own, as a suppression does, and beats every grant but a later one. When a grant takes the place of a
withdrawal, the streams below stay withdrawn: a row of their own keeps that, whose stream is the name with `.*`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from consentmilter.model import Consent, ConsentState, covers

BELOW = ".*"
"""What stands behind a stream's name in the withdrawal from all that is below it, and not from itself."""


class Lack(StrEnum):
    """Why mail is refused for want of consent; the value is the reason in log and journal."""

    NO_CONSENT = "no-consent"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Said:
    """A new statement about a person's consent; `proven` says that it has evidence of its own."""

    consent: Consent
    proven: bool


def standing(consents: Iterable[Consent], stream: str) -> Consent | None:
    """The grant that stands for exactly this stream, else the withdrawal that covers it; None if there is neither."""
    withdrawn: Consent | None = None
    granted: list[Consent] = []
    for each in consents:
        if each.state is ConsentState.WITHDRAWN and _withdraws(each.stream, stream):
            withdrawn = each if withdrawn is None or each.at > withdrawn.at else withdrawn
        elif each.state is ConsentState.GRANTED and each.stream == stream:
            granted.append(each)
    later = [each for each in granted if withdrawn is None or each.at > withdrawn.at]
    return max(later, key=lambda each: (each.confirmed, each.at)) if later else withdrawn


def changed_by(said: Said, held: Sequence[Consent]) -> list[Consent]:
    """What is held from now on that was not before, that of the statement's own stream first; empty for no change.

    `held` is all that is held of the person.
    """
    new = said.consent
    own = next((each for each in held if each.stream == new.stream), None)
    if own is not None:
        new = replace(new, address=new.address or own.address)
    match new.state:
        case ConsentState.WITHDRAWN:
            # A withdrawal is never late: a clock that is behind another one must not have the grant beat it.
            below = (each.at for each in held if covers(new.stream, each.stream))
            return [replace(new, at=max((new.at, *below)), confirmed=False)]
        case ConsentState.GRANTED:
            granted = _grants(new, standing(held, new.stream), proven=said.proven)
            return [new, *_kept_below(own)] if granted else []
        case ConsentState.REQUESTED:
            return [new] if own is None or own.state is ConsentState.REQUESTED else []


def _kept_below(replaced: Consent | None) -> list[Consent]:
    """What stays of the row of a stream that a grant replaces."""
    if replaced is None or replaced.state is not ConsentState.WITHDRAWN:
        return []
    return [replace(replaced, stream=f"{replaced.stream}{BELOW}")]


def _withdraws(scope: str, stream: str) -> bool:
    """Whether a withdrawal in `scope` is one from `stream`."""
    if scope.endswith(BELOW):
        return stream.startswith(scope.removesuffix("*"))
    return covers(scope, stream)


def _grants(new: Consent, stands: Consent | None, *, proven: bool) -> bool:
    """Whether a new grant takes the place of what stands."""
    if stands is None:
        return True
    if stands.state is ConsentState.WITHDRAWN:
        return proven and new.at > stands.at
    if new.confirmed != stands.confirmed:
        return new.confirmed and new.at >= stands.at  # what was confirmed stays so
    return new.at > stands.at
