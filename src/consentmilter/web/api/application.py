"""The HTTP API: every request in, one answer out, by the table of operations."""

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from consentmilter import log
from consentmilter.web.api import bodies, metrics, openapi
from consentmilter.web.api.access import Caller, Tokens
from consentmilter.web.api.calls import Call
from consentmilter.web.api.edge import answered
from consentmilter.web.api.health import Readiness
from consentmilter.web.api.operations import OPERATIONS, Operation
from consentmilter.web.api.problems import Problem
from consentmilter.web.clients import client_of
from consentmilter.web.context import Context
from consentmilter.web.edge import Edge
from consentmilter.web.limits import Limits

Handler = Callable[[Request, str], Awaitable[Response]]
"""Answers a request, which has this id."""

_log = log.get()


def application(context: Context, *, body_seconds: float = bodies.BODY_SECONDS) -> ASGIApp:
    """The API of a configuration; a body may take so many seconds to come."""
    limits = Limits(context.config.web.pages_per_minute, time.monotonic)
    return metrics.counted(Edge(_Api(context, limits, body_seconds)), "api")


class _Api:
    """The ASGI application."""

    def __init__(self, context: Context, limits: Limits, body_seconds: float) -> None:
        self._context = context
        self._limits = limits
        self._body_seconds = body_seconds
        self._tokens = Tokens(context.config.api.tokens)
        self._readiness = Readiness(context.store)
        self._description = openapi.description()
        self._handlers = self._table()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"the API speaks HTTP, not {scope['type']}")
        request, request_id = Request(scope, receive), secrets.token_hex(5)
        try:
            response = await answered(self._dispatch(request, request_id), request_id)
        except ClientDisconnect:
            return
        response.headers["X-Request-Id"] = request_id
        await response(scope, receive, send)

    async def _dispatch(self, request: Request, request_id: str) -> Response:
        methods = self._handlers.get(request.scope["path"])
        if methods is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is nothing under this path")
        handler = methods.get(request.method)
        if handler is None:
            allowed = ", ".join(sorted(methods))
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"use {allowed}", headers={"Allow": allowed})
        return await handler(request, request_id)

    def _table(self) -> Mapping[str, Mapping[str, Handler]]:
        """The handlers by path and method."""
        table: dict[str, dict[str, Handler]] = {
            openapi.PATH: {"GET": self._describe},
            "/health/live": {"GET": self._live},
            "/health/ready": {"GET": self._ready},
            "/metrics": {"GET": self._metrics},
        }
        for operation in OPERATIONS:
            table.setdefault(operation.path, {})[operation.method] = self._handler(operation)
        for methods in table.values():
            if "GET" in methods:
                methods["HEAD"] = methods["GET"]  # the server leaves the body out
        return table

    def _handler(self, operation: Operation) -> Handler:
        async def handle(request: Request, request_id: str) -> Response:
            caller = self._caller(request, request_id)
            response = await answered(self._call(operation, caller, request, request_id), request_id)
            metrics.CALLS.labels(operation.name, response.status_code).inc()
            return response

        return handle

    async def _call(self, operation: Operation, caller: Caller, request: Request, request_id: str) -> Response:
        caller.require_verb(operation.verb)
        if operation.method == "POST":
            message = await bodies.from_body(request, operation.message, operation.most, self._body_seconds)
        else:
            message = bodies.from_query(request, operation.message)
        answer = await operation.work(Call(self._context, caller, message, request_id))
        return JSONResponse(answer.model_dump(mode="json"))

    def _caller(self, request: Request, request_id: str) -> Caller:
        """Who calls. A good token always gets in; a network that tries others in vain has to wait at some time."""
        try:
            return self._tokens.caller(request.headers.get("authorization"))
        except Problem as problem:
            client = client_of(request.scope, self._context.config.web.trusted_proxies)
            if not self._limits.allows(client):
                detail, pause = "too many calls without a good token", {"Retry-After": str(self._limits.pause)}
                raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=pause) from None
            _log.warning("api_refused", request=request_id, client=str(client or "unix"), cause=problem.detail)
            raise

    async def _describe(self, request: Request, request_id: str) -> Response:
        return JSONResponse(self._description)

    async def _live(self, request: Request, request_id: str) -> Response:
        return JSONResponse({"status": "live"})

    async def _ready(self, request: Request, request_id: str) -> Response:
        await self._readiness.require()
        return JSONResponse({"status": "ready"})

    async def _metrics(self, request: Request, request_id: str) -> Response:
        return Response(metrics.exposition(), media_type=metrics.MEDIA_TYPE)
