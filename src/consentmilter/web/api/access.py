"""Who calls, and what they may: bearer tokens (RFC 6750), each bound to organisations and verbs.

The configuration holds only digests of the tokens. Raises `Problem`: 401 for a token that is none, 403 for what it is
not good for.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus

from consentmilter.config.roles import ApiTokenConfig, Verb
from consentmilter.model import ALL
from consentmilter.web.api.problems import Problem

MAX_TOKEN = 512
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="consentmilter"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is: its name in the configuration, and its rights."""

    name: str
    organisations: frozenset[str]
    verbs: frozenset[Verb]

    def may_see(self, scope: str) -> bool:
        """Whether the scope lies within the token's organisations; `*` lies in none."""
        return ALL in self.organisations or scope.partition(".")[0] in self.organisations

    def require_verb(self, verb: Verb | None) -> None:
        if verb is not None and verb not in self.verbs:
            raise Problem(HTTPStatus.FORBIDDEN, f"this token is not good for {verb}")

    def require_scope(self, scope: str) -> None:
        if not self.may_see(scope):
            raise Problem(HTTPStatus.FORBIDDEN, "this token is not good for that organisation")


class Tokens:
    """The tokens of the site."""

    def __init__(self, tokens: Mapping[str, ApiTokenConfig]) -> None:
        self._callers = {
            bytes.fromhex(token.sha256): Caller(name, frozenset(token.organisations), frozenset(token.verbs))
            for name, token in tokens.items()
        }

    def caller(self, authorization: str | None) -> Caller:
        """Whose token the Authorization header brings."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token.strip()) <= MAX_TOKEN:
            raise Problem(HTTPStatus.UNAUTHORIZED, "a bearer token is needed", headers=_CHALLENGE)
        # Header values are octets; Starlette shows them as Latin-1.
        digest = sha256(token.strip().encode("latin-1")).digest()
        # All of them are compared, so that the time tells nothing.
        found = [caller for known, caller in self._callers.items() if hmac.compare_digest(known, digest)]
        if not found:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "the token is not known",
                headers={"WWW-Authenticate": f'{_CHALLENGE["WWW-Authenticate"]}, error="invalid_token"'},
            )
        return found[0]
