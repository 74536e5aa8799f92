"""What every screening of a message needs, and the record of what was decided about each recipient."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from consentmilter.keys import KeyRing
from consentmilter.model import Mode
from consentmilter.policy.facts import Facts
from consentmilter.policy.mail import Principal
from consentmilter.policy.settle import Pass
from consentmilter.policy.site import Site
from consentmilter.service.leases import Allowance

LookUp = Callable[[Sequence[bytes], Callable[[], Sequence[bytes]]], Facts]
"""All suppressions and consents of these subject keys; raises `StoreError`.

The second makes the digests under which hash lists may hold the people. It is called only if there is a hash list.
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What was decided about one recipient: what the log and the journal tell.

    `verdict` is a `Verdict`, or `would-` and one in observe mode. `reason` is that of the suppression, what is missing
    of consent, or an objection, `store` where the store could not be asked, `mixed` where a recipient was refused for
    the sake of others. `nameless` says that the suppression stands for the recipient alone and was made without an
    address, `bypassed` that it is one that the exempt category bypasses, `opted_in` that a later opt-in outdid it.
    `sender` and `recipient` are as the MTA gave them.
    """

    ref: str
    queue_id: str | None
    principal: Principal
    sender: str
    recipient: str
    subject: bytes
    verdict: str
    reason: str | None = None
    bypassed: bool = False
    opted_in: bool = False
    nameless: bool = False
    scope: str | None = None
    stream: str | None = None
    category: str | None = None
    rule: int | None = None
    right: str = ""
    false_claim: str | None = None
    stage: Pass = Pass.ONLY
    mode: Mode = Mode.ENFORCE

    @property
    def plain(self) -> bool:
        """Whether it is an accept with nothing to tell."""
        return self.verdict == "accept" and self.reason in (None, "no-stream") and not self.false_claim


def _never(_stream: str) -> bool:
    return False


def _nowhere(_stream: str, _now: datetime) -> str | None:
    return None


def _unbounded(_rule: int, _people: int) -> Allowance:
    return Allowance.GRANTED


@dataclass(frozen=True, slots=True)
class Desk:
    """The policy, the keys, the store, clock, references, and where records and notices go.

    `notice(event, **fields)` tells of something that concerns the whole message. `withheld` says whether a stream's
    mail goes without the one-click field, `copy_to` who gets a copy of the message at hand, `exempt_allowed` whether
    the cap of the rule of this number has room for so many people more.
    """

    site: Site
    ring: KeyRing
    look_up: LookUp
    record: Callable[[Record], None]
    notice: Callable[..., None]
    now: Callable[[], datetime]
    new_ref: Callable[[], str]
    withheld: Callable[[str], bool] = _never
    copy_to: Callable[[str, datetime], str | None] = _nowhere
    exempt_allowed: Callable[[int, int], Allowance] = _unbounded
