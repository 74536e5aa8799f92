"""What a screening comes to."""

from dataclasses import dataclass

from consentmilter.headers import Edit
from consentmilter.replies import Reply


@dataclass(frozen=True, slots=True)
class Ending:
    """What to tell the MTA at end of message: a refusal, or the changes with which the message goes on.

    `sender` takes the place of the envelope sender, `copy_to` becomes one more recipient.
    """

    reply: Reply | None = None
    remove: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    quarantine: str | None = None
    sender: str | None = None
    copy_to: str | None = None
