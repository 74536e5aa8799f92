"""The one mailbox of a From field, or none.

Display names that look like addresses, comments, routes and groups have made lenient parsers see another address than
the one that was authenticated (CVE-2023-27043). So this one knows two shapes, `words <address>` and `address
(comment)`, and says None to all else: nothing is done in the name of who writes otherwise. Never fails.
"""

import re

from consentmilter.addresses import mailable
from consentmilter.errors import AddressError
from consentmilter.policy.mail import Headers

_MAX_VALUE = 1000

_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_WORD = r'[^\s"(),:;<>@\[\]\\]++'
_ADDRESS = rf"(?:{_QUOTED}|{_WORD})@{_WORD}"
_COMMENTS = re.compile(rf"({_QUOTED})|\((?:[^()\\]|\\.)*+\)")
_NAMED = re.compile(rf"(?:(?:{_QUOTED}|{_WORD})\s*+)*+<({_ADDRESS})>")
_BARE = re.compile(rf"({_ADDRESS})")


def author(headers: Headers) -> str | None:
    """The canonical address of the From field, if there is exactly one field with exactly one address."""
    values = headers.values("from")
    if len(values) != 1 or len(values[0]) > _MAX_VALUE:
        return None
    # A comment may hide brackets, and quotes may hide the parentheses of a comment: both are seen in one pass.
    value = _COMMENTS.sub(lambda match: match[1] or " ", values[0]).strip()
    match = _NAMED.fullmatch(value) or _BARE.fullmatch(value)
    if match is None:
        return None
    try:
        return str(mailable(match[1]))
    except AddressError:
        return None
