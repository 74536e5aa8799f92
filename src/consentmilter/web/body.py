"""Request bodies, read by hand: no more than a few octets, for no longer than a few seconds, however long they are.

Never raises: what does not come in time, or breaks off, is judged by what there is of it.
"""

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import ClientDisconnect, Request

READ_SECONDS = 10.0
"""How long a client may take to send what we read of a body."""

_ONE_CLICK = re.compile(
    r"(?<![\w-])list-unsubscribe"
    r"\W{1,100}"  # "=", or the end of a multipart field's header, or what JSON has between key and value
    r"(?:content-[^\n]{0,200}\n\W{0,100}){0,3}"  # a multipart field may have a type of its own
    r"one-click(?![\w-])"
)


@dataclass(frozen=True, slots=True)
class Body:
    """The start of a body; `ended` says that there was no more."""

    octets: bytes
    ended: bool

    @property
    def is_one_click(self) -> bool:
        """Whether it says `List-Unsubscribe=One-Click` (RFC 8058 section 3.2), in whatever form.

        Forms, multipart or not, come with any content type and spelling. An empty body counts too, for there are mail
        programs that send none: nobody sends a POST to such a link by accident, and it can only opt out.
        """
        said = unquote_plus(self.octets.decode("latin-1")).lower()
        return bool(_ONE_CLICK.search(said)) or (self.ended and not said.strip())

    def fields(self) -> dict[str, list[str]]:
        """The fields of a form as our own pages send it."""
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.octets.decode("utf-8", "replace"), keep_blank_values=True):
            found.setdefault(name, []).append(value.strip())
        return found


async def read_body(request: Request, limit: int, seconds: float = READ_SECONDS) -> Body:
    """The first `limit` octets of the body; the rest is not read."""
    octets = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                octets += chunk[: limit + 1 - len(octets)]
                if len(octets) > limit:
                    return Body(bytes(octets[:limit]), ended=False)
    except (TimeoutError, ClientDisconnect):
        return Body(bytes(octets), ended=False)
    return Body(bytes(octets), ended=True)


def asked(body: Body) -> str | None:
    """What a button asks for; nothing if the form did not come whole."""
    if not body.ended:
        return None
    fields = body.fields()
    return "undo" if "undo" in fields else fields.get("do", [""])[0]
