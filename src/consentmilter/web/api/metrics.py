"""What can be counted without naming anybody, for Prometheus; `docs/api.md` lists each metric.

The counters are those of the process: a new configuration goes on with them. There is one web process, so that no two
have to be added up.
"""

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REGISTRY = CollectorRegistry()

ANSWERS = Counter(
    "consentmilter_http_answers_total",
    "Answers of the web pages and the API.",
    ["listener", "method", "status"],
    registry=REGISTRY,
)
CALLS = Counter(
    "consentmilter_api_calls_total", "Calls of the API with a good token.", ["call", "status"], registry=REGISTRY
)
STORE_FAILURES = Counter(
    "consentmilter_api_store_failures_total",
    "API calls and readiness checks that the store did not answer.",
    registry=REGISTRY,
)

_METHODS = frozenset({"GET", "HEAD", "POST"})

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no type


def exposition() -> bytes:
    """All metrics as text."""
    return generate_latest(REGISTRY)


def counted(app: ASGIApp, listener: str) -> ASGIApp:
    """The application, with its answers counted under the name of its listener."""

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A method is whatever a client wrote; each label value costs memory for ever.
                method = scope["method"] if scope["method"] in _METHODS else "other"
                ANSWERS.labels(listener, method, message["status"]).inc()
            await send(message)

        await app(scope, receive, count)

    return counting
