"""Every error that consentmilter raises on purpose.

Inner code raises these; the edges translate them: the milter into an SMTP reply, the command line into
an exit code. A message names the thing, the place and the mend.
"""


class ConsentMilterError(Exception):
    """Base of all errors raised on purpose."""


class AddressError(ConsentMilterError):
    """The text is not an e-mail address or domain that mail could be sent to."""


class ConfigError(ConsentMilterError):
    """The configuration cannot be used; `problems` holds every fault found, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UsageError(ConsentMilterError):
    """A command was called in a way that cannot work."""


class KeyFileError(ConsentMilterError):
    """The key file is missing, unreadable or damaged."""


class TokenError(ConsentMilterError):
    """The token was not made by this system, was altered, or is meant for another purpose."""


class SignatureError(ConsentMilterError):
    """The signature does not fit the text or the key."""


class MessageError(ConsentMilterError):
    """The message is too large or too odd to be read; nothing follows from it."""


class StoreError(ConsentMilterError):
    """The store could not answer; what was asked of it has not happened."""


class StoreBusyError(StoreError):
    """The store did not answer within the deadline, or the lock is held by another process."""


class StoreSetupError(StoreError):
    """The store is missing, has another schema version, was made with other keys, or does not let this program in."""


class StoreRefusedError(StoreError):
    """The database refuses the rows themselves: to try again would never end."""


class StoreUnsureError(StoreError):
    """A commit was not answered as it should: what was asked may have happened or not, and may be lost again."""


class ListenError(ConsentMilterError):
    """A socket cannot be opened."""


class ControlError(ConsentMilterError):
    """What came over a control channel is no message of ours."""


class ChildError(ConsentMilterError):
    """A child process cannot do its work, and said why."""
