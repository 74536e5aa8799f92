"""Who may look: pages and links that are none count against a client's limit, a press of a good link's button never.

Raises HTTPException for a client that asks too often, and whatever reading the link raises.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from consentmilter.errors import TokenError
from consentmilter.web.clients import Network, client_of
from consentmilter.web.limits import Limits

READING = ("GET", "HEAD")

T = TypeVar("T")


class Admission:
    """The door to the pages of a site."""

    def __init__(self, limits: Limits, trusted_proxies: list[Network]) -> None:
        self._limits = limits
        self._trusted = trusted_proxies

    def admitted(self, request: Request, read: Callable[[str], T]) -> T:
        """What `read` makes of the token in the request's path, if the client may ask."""
        if request.method in READING:
            self._count(request)
        try:
            return read(request.path_params["token"])
        except TokenError:
            if request.method not in READING:
                self._count(request)
            raise

    def _count(self, request: Request) -> None:
        if not self._limits.allows(client_of(request.scope, self._trusted)):
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": str(self._limits.pause)})
