"""Give a name to a suppression that was made by a click: the milter knows whom the mail was for, the token does not."""

from collections.abc import Callable

from consentmilter.addresses import Foldings, canonical, fold
from consentmilter.errors import AddressError
from consentmilter.keys import KeyRing, subject_of_address
from consentmilter.store.names import Name


class Naming:
    """Hands names on to be written down, after a look at whether they really are the subject's."""

    def __init__(self, ring: KeyRing, foldings: Foldings, put: Callable[[Name], None]) -> None:
        self._ring = ring
        self._foldings = foldings
        self._put = put

    def __call__(self, subject: bytes, raw: str) -> None:
        """Have the address written down. One that Postfix reads as another (comments, bang paths) is passed over."""
        try:
            address = canonical(raw)
        except AddressError:
            return
        if subject_of_address(address, self._ring, self._foldings) == subject:
            self._put(Name(subject, str(fold(address, self._foldings))))
