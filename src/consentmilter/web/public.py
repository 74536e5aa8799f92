"""The public application: the pages, their look, and what is said in place of a page. Never raises."""

import time
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from consentmilter import log
from consentmilter.config import Config
from consentmilter.errors import StoreError, TokenError
from consentmilter.web.admission import Admission
from consentmilter.web.brand import Brand
from consentmilter.web.context import Context
from consentmilter.web.edge import Edge
from consentmilter.web.limits import Limits
from consentmilter.web.opt_in import OptInPages
from consentmilter.web.pages import Pages
from consentmilter.web.rendering import Renderer

RETRY_SECONDS = 60
"""When a request that could not be stored may be made again."""


def public(context: Context, look: Brand) -> ASGIApp:
    """The pages."""
    renderer = Renderer(context.config.web.languages, look, _contact(context))
    answers = _Answers(renderer)
    routes = [*_page_routes(context, renderer), *_look_routes(look)]
    app = Starlette(
        routes=[*routes, *(Mount(prefix, routes=routes) for prefix in _prefixes(context.config))],
        exception_handlers={
            HTTPException: answers.refused,
            TokenError: answers.lost,
            StoreError: answers.away,
            Exception: answers.failed,
        },
    )
    app.router.redirect_slashes = False  # a redirected POST becomes a GET: RFC 8058 section 3.1 forbids redirects
    return Edge(app)


class _Answers:
    """What is said in place of a page."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def refused(self, request: Request, fault: Exception) -> Response:
        assert isinstance(fault, HTTPException)
        response = self._renderer.notice(request, HTTPStatus(fault.status_code))
        response.headers.update(fault.headers or {})
        return response

    async def lost(self, request: Request, _fault: Exception) -> Response:
        return self._renderer.notice(request, HTTPStatus.NOT_FOUND)

    async def away(self, request: Request, fault: Exception) -> Response:
        log.get().warning("request_not_stored", cause=str(fault))
        response = self._renderer.notice(request, HTTPStatus.SERVICE_UNAVAILABLE)
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response

    async def failed(self, request: Request, _fault: Exception) -> Response:
        return self._renderer.notice(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def _page_routes(context: Context, renderer: Renderer) -> list[BaseRoute]:
    web = context.config.web
    admission = Admission(Limits(web.pages_per_minute, time.monotonic), web.trusted_proxies)
    pages = Pages(context, renderer, admission)
    methods = ["GET", "HEAD", "POST"]
    return [
        Route("/u/{token}", pages.unsubscribe, methods=methods),
        Route("/p/{token}", pages.preferences, methods=methods),
        Route("/c/{token}", OptInPages(context, renderer, admission).consent, methods=methods),
    ]


def _look_routes(look: Brand) -> list[BaseRoute]:
    logo = look.logo

    async def style(_request: Request) -> Response:
        return Response(look.style, media_type="text/css")

    async def image(_request: Request) -> Response:
        assert logo is not None
        # An SVG opened by itself is a document: it may do nothing, and style itself only.
        policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        return Response(logo.octets, media_type=logo.media_type, headers={"Content-Security-Policy": policy})

    routes: list[BaseRoute] = [Route("/static/style.css", style)]
    return [*routes, Route("/static/logo", image)] if logo else routes


def _prefixes(config: Config) -> list[str]:
    """The paths of the addresses under which links live: a proxy may hand on requests with or without them."""
    parts = [config.unsubscribe, *(organisation.unsubscribe for organisation in config.organisations.values())]
    paths = (urlsplit(part.url).path for part in parts if part.url)
    return sorted({path for path in paths if path})


def _contact(context: Context) -> str | None:
    """Where somebody can write whose link does not work: that of the only organisation, else the site's."""
    config = context.config
    found = [*config.privacy.mail, config.unsubscribe.mailto]
    if len(config.organisations) == 1:
        (only,) = config.organisations.values()
        found = [*only.privacy, only.unsubscribe.mailto, *found]
    return next((address for address in found if address), None)
