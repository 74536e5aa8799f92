"""The outermost layer: the header fields of every response, and what becomes of a fault of ours.

Nothing is loaded from elsewhere, kept, framed, indexed, or told to others. A connection on which more comes than was
read is closed. Never raises.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consentmilter import log

_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'"

FIELDS = {
    "Content-Security-Policy": f"{_POLICY}; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""The link is a secret of its holder: no cache keeps the page, no other site learns its address."""


class Edge:
    """Adds `FIELDS` to whatever the application answers, its faults included; what it set itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        unread = _has_body(scope)

        async def taken() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and bool(message.get("more_body"))
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in FIELDS.items():
                    headers.setdefault(name, value)
                if unread:  # else the server would go on to take the body, however long it is
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, taken, guarded)
        except Exception:  # noqa: BLE001 - the request edge: Starlette has answered 500 and hands the fault on
            # Neither path nor fields: the link is in them.
            log.get().exception("request_failed")


def _has_body(scope: Scope) -> bool:
    """Whether the request announces a body (RFC 9112 6.3)."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope.get("headers", []))
