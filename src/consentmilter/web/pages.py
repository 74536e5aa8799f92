"""What stands behind an unsubscribe link: `/u/TOKEN` stops one stream, `/p/TOKEN` shows and stops all of a sender's.

GET and HEAD change nothing and do not even ask the store. A POST is answered 200 only after commit, with the same
answer and the same work whoever the person is. Raises TokenError for a link that we did not make, HTTPException for a
client that asks too often, and StoreError: the application answers all three.
"""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from consentmilter import log, undo
from consentmilter.errors import TokenError
from consentmilter.policy.site import Stream
from consentmilter.service import clicks
from consentmilter.undo import Undo
from consentmilter.web import words
from consentmilter.web.admission import READING, Admission
from consentmilter.web.body import Body, asked, read_body
from consentmilter.web.context import Context
from consentmilter.web.link import Link, read_link
from consentmilter.web.rendering import Renderer

ONE_CLICK_OCTETS = 1024
"""As much of a POST to `/u/TOKEN` is read: a one-click request has 26 octets, as a multipart form some 200."""

PREFERENCES_OCTETS = 16 * 1024
"""As much of a POST to `/p/TOKEN`: some 250 streams with the longest names."""

ANSWER = "You are unsubscribed.\n"
"""The answer to a one-click request: a program reads it, so it has one language."""


class Pages:
    """The pages of one configuration."""

    def __init__(self, context: Context, renderer: Renderer, admission: Admission) -> None:
        self._context = context
        self._renderer = renderer
        self._admission = admission

    async def unsubscribe(self, request: Request) -> Response:
        """The page with the one button, a one-click request (RFC 8058), or a press of the page's own buttons."""
        link = self._link(request)
        scopes = (link.target.scope,)
        if request.method in READING:
            return self._page(request, "unsubscribe.html", link, stream=link.target.stream)
        body = await read_body(request, ONE_CLICK_OCTETS)
        if body.is_one_click:
            await self._opt_out(link, scopes, "one-click")
            return PlainTextResponse(ANSWER)
        match asked(body):
            case "unsubscribe":
                stream = link.target.stream
                return await self._stop(request, link, scopes, "unsubscribe page", [stream] if stream else [])
            case "undo":
                return await self._take_back(request, link, body)
        return self._notice(request, link, HTTPStatus.BAD_REQUEST)

    async def preferences(self, request: Request) -> Response:
        """All that the sender sends: what can be stopped, what still comes; or a press of the page's buttons."""
        link = self._link(request)
        if request.method in READING:
            return self._page(request, "preferences.html", link, offer=link.offer, nothing_chosen=False)
        body = await read_body(request, PREFERENCES_OCTETS)
        match asked(body):
            case "selected":
                return await self._stop_selected(request, link, body)
            case "everything":
                return await self._stop(request, link, link.offer.everything, "preference page", [])
            case "undo":
                return await self._take_back(request, link, body)
        return self._notice(request, link, HTTPStatus.BAD_REQUEST)

    async def _stop_selected(self, request: Request, link: Link, body: Body) -> Response:
        chosen = link.offer.chosen(body.fields().get("stream", []))
        if chosen:
            scopes = tuple(stream.name for stream in chosen)
            return await self._stop(request, link, scopes, "preference page", chosen)
        status = HTTPStatus.BAD_REQUEST
        return self._page(request, "preferences.html", link, status, offer=link.offer, nothing_chosen=True)

    async def _stop(
        self, request: Request, link: Link, scopes: tuple[str, ...], way: str, streams: Sequence[Stream]
    ) -> Response:
        """Opt out, and show what was stopped (no streams: all) with a button to take it back."""
        click = await self._opt_out(link, scopes, way)
        token = undo.make(click, self._context.ring)
        return self._page(request, "done.html", link, stopped=streams, undo=token)

    async def _opt_out(self, link: Link, scopes: tuple[str, ...], way: str) -> Undo:
        at = self._context.now().replace(microsecond=0)
        evidence = f"{way}, link of {link.token.issued}"
        await clicks.click(self._context.store, link.token.subject, scopes, evidence=evidence, at=at)
        log.get().info("clicked", subject=link.token.subject.hex(), scopes=list(scopes), way=way)
        return Undo(link.token.subject, scopes, at)

    async def _take_back(self, request: Request, link: Link, body: Body) -> Response:
        """The same answer whether there was something to take back or not."""
        now = self._context.now()
        try:
            click = undo.read(body.fields()["undo"][0], self._context.ring, now)
        except TokenError:
            return self._notice(request, link, words.TOO_LATE)
        if click.subject != link.token.subject:
            return self._notice(request, link, words.TOO_LATE)
        lifted = await clicks.take_back(
            self._context.store, click.subject, click.scopes, click.at, evidence="undo button of the page", at=now
        )
        scopes = [row.scope for row in lifted]
        log.get().info("click_taken_back", subject=click.subject.hex(), scopes=scopes)
        return self._page(request, "undone.html", link)

    def _link(self, request: Request) -> Link:
        return self._admission.admitted(request, lambda text: read_link(text, self._context))

    def _page(
        self, request: Request, template: str, link: Link, status: HTTPStatus = HTTPStatus.OK, **content: object
    ) -> Response:
        organisation = link.target.organisation
        return self._renderer.page(request, template, organisation, status, token=link.text, **content)

    def _notice(self, request: Request, link: Link, status: HTTPStatus) -> Response:
        return self._renderer.notice(request, status, link.target.organisation)
