"""Templates to responses, in the language of whoever asks. Everything that goes into a page is escaped."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from consentmilter.policy.site import BULK, Organisation, Stream
from consentmilter.service import opt_in_standing
from consentmilter.undo import VALID
from consentmilter.web import languages, words
from consentmilter.web.brand import Brand
from consentmilter.web.languages import Language
from consentmilter.web.offer import stops
from consentmilter.web.words import Notice

MINUTES = int(VALID.total_seconds()) // 60
DAYS = opt_in_standing.VALID.days


@dataclass(frozen=True, slots=True)
class _Tongue:
    """One language, and the templates that speak it."""

    language: Language
    templates: Environment


class Renderer:
    """The pages of a site."""

    def __init__(self, codes: Iterable[str], brand: Brand, contact: str | None) -> None:
        self.brand = brand
        self._contact = contact
        self._tongues = {code: _tongue(languages.load(code)) for code in dict.fromkeys(codes)}

    def page(
        self,
        request: Request,
        template: str,
        organisation: Organisation | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        **content: object,
    ) -> HTMLResponse:
        """The page that a template makes of this content."""
        asked = request.query_params.get("lang")
        code = languages.choose(asked, request.headers.get("accept-language"), list(self._tongues))
        tongue = self._tongues[code]
        text = tongue.templates.get_template(template).render(
            content,
            brand=self.brand,
            language=tongue.language,
            # The links of the menu fetch the page anew: not offered on one that answers a click.
            menu=self._menu() if request.method in ("GET", "HEAD") else [],
            root=_root(request),
            lang_query=f"?lang={code}" if asked == code else "",
            organisation=organisation,
            sender=_sender(organisation, tongue.language),
        )
        return HTMLResponse(text, status, headers={"Content-Language": code, "Vary": "Accept-Language"})

    def notice(self, request: Request, status: HTTPStatus, organisation: Organisation | None = None) -> HTMLResponse:
        """The page that says no more than what the status means to a person."""
        return self.say(request, words.NOTICES[status], status, organisation)

    def say(
        self, request: Request, notice: Notice, status: HTTPStatus, organisation: Organisation | None = None
    ) -> HTMLResponse:
        """The page that says this."""
        return self.page(request, "notice.html", organisation, status, notice=notice, contact=self._contact)

    def _menu(self) -> list[Language]:
        return [tongue.language for tongue in self._tongues.values()] if len(self._tongues) > 1 else []


def _tongue(language: Language) -> _Tongue:
    templates = Environment(
        loader=PackageLoader("consentmilter.web"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
    )
    words_of = language.words
    templates.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        words_of.gettext, words_of.ngettext, newstyle=True
    )

    def titled(stream: Stream) -> Markup:
        """The stream's title; a built-in one in the page's language."""
        built_in = stream.name == BULK and stream.title in words.BUILT_IN_TITLES
        return _isolated(words_of.gettext(stream.title) if built_in else stream.title)

    templates.globals |= {
        "titled": titled,
        "stops": stops,
        "mailto": _mailto,
        "kinds": words.KINDS,
        "bases": words.BASES,
        "minutes": MINUTES,
        "days": DAYS,
        "isolated": _isolated,
    }
    return _Tongue(language, templates)


def _sender(organisation: Organisation | None, language: Language) -> Markup | str:
    return _isolated(organisation.title) if organisation else language.words.gettext(words.SENDER)


def _isolated(text: str) -> Markup:
    """Text of the site's own, which may be written in the other direction than the sentence around it."""
    return Markup("<bdi>{}</bdi>").format(text)


def _mailto(address: str) -> Markup:
    return Markup('<a href="mailto:{0}"><bdi>{0}</bdi></a>').format(address)


def _root(request: Request) -> str:
    """The way from the page to where the site's pages begin, whatever prefix the proxy has put before them."""
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    return "../" * (path.count("/") - 1)
