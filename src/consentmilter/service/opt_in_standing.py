"""How a person stands to a stream for which they are, or were, asked for consent: what their link is good for now.

Pure: what the ledger and the list say of the person is passed in, and so is the time. Raises nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from consentmilter.ledger import Action, Entry
from consentmilter.model import Basis, Consent, ConsentState, Reason, Verdict, covers
from consentmilter.policy.consents import standing
from consentmilter.policy.decide import decide
from consentmilter.policy.facts import Facts
from consentmilter.policy.site import Stream
from consentmilter.tokens import Token

VALID = timedelta(days=7)
"""How long a link can be confirmed, counted from the day of the mail."""

SOURCE = "opt-in"
"""The way by which a confirmation comes in."""

_UNASKED = frozenset({Reason.LEGAL, Reason.HARD_BOUNCE})
"""Where one of these stands, not even the question is sent: nothing may be, or nothing arrives."""

_LAST_WORDS = frozenset({Action.REQUEST, Action.WITHDRAW, Action.ERASE, Action.RECTIFY})
"""What a link does not outlive, besides its own use."""


class Standing(StrEnum):
    """What a link is good for now."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    STOPPED = "stopped"
    """Something stands against the person that their consent does not outdo."""
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a person and a stream: the last word on consent, and what stands for and against them."""

    stream: Stream
    word: Entry | None
    facts: Facts

    def standing(self, token: Token, now: datetime) -> Standing:
        """How the link with this token stands."""
        if self.confirmed(now):
            return Standing.CONFIRMED
        if not self._asked() or now.date() - token.issued > VALID:
            return Standing.OVER
        return Standing.OPEN if self._would_help(token.subject, now) else Standing.STOPPED

    def confirmed(self, now: datetime) -> bool:
        """Whether they have confirmed, and have said nothing else since."""
        found = standing(self.facts.consents, self.stream.name)
        given = found is not None and found.state is ConsentState.GRANTED and found.confirmed
        return given and self._passes(self.facts, now)

    def asked_since(self, time: datetime) -> bool:
        """Whether they were asked after that, and have not answered."""
        return self._asked() and self.word is not None and self.word.at > time

    def may_be_asked(self, now: datetime) -> bool:
        """Whether nothing stands against the question itself."""
        silent = _UNASKED - self.stream.category.bypasses
        return not any(
            row.reason in silent and covers(row.scope, self.stream.name) and row.holds(now)
            for row in self.facts.suppressions
        )

    @property
    def text_version(self) -> str | None:
        """The version of the text that was shown where they asked for it."""
        return self.word.evidence.data.get("text_version") if self.word and self.word.evidence else None

    def _asked(self) -> bool:
        return self.word is not None and self.word.action is Action.REQUEST

    def _would_help(self, subject: bytes, now: datetime) -> bool:
        """Whether mail of the stream would go out if they confirmed now."""
        given = Consent(subject, self.stream.name, ConsentState.GRANTED, Basis.CONSENT, now, True, SOURCE)
        return self._passes(replace(self.facts, consents=[*self.facts.consents, given]), now)

    def _passes(self, facts: Facts, now: datetime) -> bool:
        return decide(self.stream, facts, now).verdict is Verdict.ACCEPT


def last_word(told: Sequence[Entry], stream: Stream) -> Entry | None:
    """The latest entry about consent to the stream, of all that the ledger tells of a person."""
    return next((each for each in reversed(told) if _is_word(each) and _means(each, stream)), None)


def _is_word(entry: Entry) -> bool:
    used = entry.action is Action.GRANT and entry.source == SOURCE
    return used or entry.action in _LAST_WORDS


def _means(entry: Entry, stream: Stream) -> bool:
    """Whether the stream is meant: erasures are of everything, a withdrawal is also of the streams below its own."""
    if entry.scope is None:
        return True
    return covers(entry.scope, stream.name) if entry.action is Action.WITHDRAW else entry.scope == stream.name
