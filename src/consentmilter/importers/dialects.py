"""What tells one system's suppression file from another's, and how to read it: a table row each, in `vendors`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from consentmilter.model import Reason

Shape = Literal["csv", "jsonl", "json", "txt", "hashes", "postfix"]
"""How a file is written: columns, an object a line, one document, or a key a line of one of three kinds."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "emailaddress", "address", "recipient", "mail"),
    "hash": (
        *("sha256", "sha1", "md5", "emailsha256", "emailsha1", "emailmd5", "sha256hash", "sha1hash", "md5hash"),
        *("hash", "emailhash", "hashedemail"),
    ),
    "reason": ("reason",),
    "date": ("date", "created", "createdat", "unsubscribedat", "timestamp", "time"),
    "expires": ("expires", "expiresat", "expiry"),
    "evidence": ("evidence", "note", "notes"),
    "optout": ("optout", "optedout", "unsubscribed", "emailoptout", "hasoptedoutofemail"),
}
"""Our names for columns, and what is taken for them in any file, in small letters and with nothing but letters.

`hash` holds a digest where no column holds an address. In `optout`, everybody is marked who opted out, and others are
marked as not or not at all.
"""


@dataclass(frozen=True, slots=True)
class Passed:
    """Rows to be passed over: those in whose `column` the whole text matches `pattern`; `kind` is what they are."""

    column: str
    pattern: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one system writes one of its lists. Columns are named in small letters and digits alone.

    A header is of this dialect if it has all columns of the `signature` (`exact`: and no others) and none that it
    `lacks`; or the file's name matches `file_name`, or the beginning of the file has the `mark`. A file without a
    header is if its first line matches `first_line`, and then `names` are its columns.

    `columns` are those that are read, by our names; a digit stands for a place. `words` and the common words say what
    a reason means: a reason of ours, or what the row is instead of an opt-out. A `flags` column that is set gives its
    reason, the first that is; with none the row is `unflagged`. Where no row is an opt-out, `nobody` says what they
    are, and where a file must not be imported at all, `refused` says why.
    """

    name: str
    title: str
    columns: Mapping[str, tuple[str, ...]]
    signature: tuple[str, ...] = ()
    exact: bool = False
    lacks: tuple[str, ...] = ()
    file_name: str = ""
    mark: str = ""
    first_line: str = ""
    names: tuple[str, ...] = ()
    reason: Reason | None = None
    words: Mapping[str, Reason | str] = field(default_factory=dict)
    passed: tuple[Passed, ...] = ()
    flags: Mapping[str, Reason] = field(default_factory=dict)
    unflagged: str = "not opted out"
    nobody: str = ""
    refused: str = ""
    guarded: bool = False

    def fits(self, names: frozenset[str]) -> bool:
        """Whether a header with these columns is of this dialect."""
        if not self.signature or not names.issuperset(self.signature) or not names.isdisjoint(self.lacks):
            return False
        return not self.exact or len(names) == len(self.signature)


SUBSCRIBED = r"subscribed|confirmed|enabled|opted[ _-]?in"

GENERIC = Dialect(
    name="csv",
    title="a list with columns",
    columns=COLUMNS,
    passed=tuple(
        Passed(column, SUBSCRIBED, "subscribed") for column in ("status", "emailstatus", "subscriptionstatus")
    ),
)
"""Any file whose columns bear the usual names."""
