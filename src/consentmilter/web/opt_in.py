"""What stands behind the link of a mail that asks for consent: `/c/TOKEN` shows who asks for what, and takes the yes.

GET and HEAD change nothing. The yes is a press of the page's button, and nothing else: mail programs post one-click
requests to links, and scanners empty ones. It is answered after commit. Raises TokenError for a link that we did not
make for this, HTTPException for a client that asks too often, and StoreError: the application answers all three.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from consentmilter import log, tokens
from consentmilter.policy.site import Organisation, Stream
from consentmilter.service.opt_in_standing import Standing
from consentmilter.service.opting_in import Opening
from consentmilter.tokens import Purpose, Token, stream_hash
from consentmilter.web import words
from consentmilter.web.admission import READING, Admission
from consentmilter.web.body import asked, read_body
from consentmilter.web.clients import client_of
from consentmilter.web.context import Context
from consentmilter.web.limits import network_name
from consentmilter.web.rendering import Renderer

OCTETS = 1024
"""As much of a POST is read; that of the page has ten."""


class OptInPages:
    """The pages of one configuration."""

    def __init__(self, context: Context, renderer: Renderer, admission: Admission) -> None:
        self._context = context
        self._renderer = renderer
        self._admission = admission

    async def consent(self, request: Request) -> Response:
        """The page with the one button, or a press of it."""
        token = self._admission.admitted(request, self._read)
        stream = self._context.targets.of_hash(token.stream).stream
        if stream is None or stream_hash(stream.name) != token.stream:  # the stream that was asked for is gone
            return self._renderer.say(request, words.LINK_OVER, HTTPStatus.GONE)
        if request.method in READING:
            return self._page(request, stream, token, await self._context.opting_in.look(token, stream))
        if asked(await read_body(request, OCTETS)) != "confirm":
            return self._renderer.notice(request, HTTPStatus.BAD_REQUEST, self._organisation(stream))
        return self._page(request, stream, token, await self._confirm(request, stream, token))

    async def _confirm(self, request: Request, stream: Stream, token: Token) -> Opening:
        network = network_name(client_of(request.scope, self._context.config.web.trusted_proxies))
        opening = await self._context.opting_in.confirm(token, stream, network)
        log.get().info("opt_in", subject=token.subject.hex(), stream=stream.name, standing=opening.standing)
        return opening

    def _page(self, request: Request, stream: Stream, token: Token, opening: Opening) -> Response:
        organisation = self._organisation(stream)
        match opening.standing:
            case Standing.OPEN:
                version = opening.text_version
                return self._renderer.page(request, "opt_in.html", organisation, stream=stream, text_version=version)
            case Standing.CONFIRMED:
                return self._renderer.page(
                    request, "opted_in.html", organisation, stream=stream, token=self._way_back(token)
                )
            case Standing.STOPPED:
                return self._renderer.say(request, words.STOPPED, HTTPStatus.CONFLICT, organisation)
            case Standing.OVER:
                return self._renderer.say(request, words.LINK_OVER, HTTPStatus.GONE, organisation)

    def _organisation(self, stream: Stream) -> Organisation | None:
        return self._context.targets.of_name(stream.name).organisation

    def _read(self, text: str) -> Token:
        return tokens.read(text, Purpose.OPT_IN, self._context.ring)

    def _way_back(self, token: Token) -> str:
        """The link that takes the consent back (GDPR Art. 7(3): as easily as it was given)."""
        day = self._context.now().date()
        return tokens.make(Token(Purpose.UNSUBSCRIBE, token.subject, token.stream, day), self._context.ring)
