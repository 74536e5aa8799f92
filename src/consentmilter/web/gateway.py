"""From uvicorn to the application: lends it to each request, and is the edge at which faults of it end.

While the process drains, each answer says that the connection closes, so that a client never sends a request into a
connection that ends. Raises nothing: a fault is logged without the path, which can hold a token, and answered 500.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from email.utils import formatdate

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consentmilter import log

_log = log.get()

SWITCHED_OFF = PlainTextResponse("Service Unavailable", 503)
FAULT = PlainTextResponse("Internal Server Error", 500)


class Gateway:
    """An ASGI application that hands each request to the one that `lease` lends; None is switched off."""

    def __init__(self, lease: Callable[[], AbstractContextManager[ASGIApp | None]]) -> None:
        self._lease = lease
        self.closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = _Answer(self, send)
        with self._lease() as application:
            try:
                await (application or SWITCHED_OFF)(scope, receive, answer)
            except Exception:  # noqa: BLE001 - the edge to the application
                _log.exception("application_failed", method=scope["method"])
                if not answer.begun:
                    await FAULT(scope, receive, answer)


class _Answer:
    """Sends an answer, with the header fields that are the server's to add."""

    def __init__(self, gateway: Gateway, send: Send) -> None:
        self._gateway = gateway
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            # RFC 9110 6.6.1: a server with a clock says when.
            headers = [*message.get("headers", ()), (b"date", formatdate(usegmt=True).encode())]
            if self._gateway.closing:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await self._send(message)
