"""The languages of the pages: their catalogues, the direction of their script, and which one a person reads.

The catalogues are Babel's .po files, compiled when the process starts. Raises ConfigError for a language without one.
"""

import gettext
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from consentmilter.errors import ConfigError

SOURCE = "en"
"""The language in which the templates are written; it needs no catalogue."""

MAX_CHARACTERS = 500
"""No browser sends a longer Accept-Language; what stands behind is not read."""

_RANGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=\s*(1(?:\.0{0,3})?|0(?:\.\d{0,3})?)\s*)?")


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its code, its own name, `ltr` or `rtl`, and its words."""

    code: str
    name: str
    direction: str
    words: gettext.NullTranslations


def load(code: str) -> Language:
    """The language with its catalogue."""
    locale = Locale.parse(code)
    name = locale.get_display_name() or code
    return Language(code, name[:1].upper() + name[1:], locale.text_direction, _words(code))


def choose(asked: str | None, accepted: str | None, offered: Sequence[str]) -> str:
    """The language that was asked for by name, else the best by Accept-Language (RFC 9110 12.5.4), else the first."""
    if asked is not None and asked in offered:
        return asked
    wanted = sorted(_ranges(accepted or ""), key=lambda found: -found[1])  # stable: of equals the one named first
    for code, quality in wanted:
        if quality > 0 and (code == "*" or code in offered):
            return offered[0] if code == "*" else code
    return offered[0]


def _ranges(accepted: str) -> Iterator[tuple[str, float]]:
    """The language ranges of an Accept-Language with their qualities; what is no range is left out."""
    for part in accepted[:MAX_CHARACTERS].split(","):
        if match := _RANGE.fullmatch(part):
            yield match[1].lower(), float(match[2] or 1)


def _words(code: str) -> gettext.NullTranslations:
    if code == SOURCE:
        return gettext.NullTranslations()
    file = resources.files("consentmilter.web").joinpath("catalogues", f"{code}.po")
    if not file.is_file():
        raise ConfigError([f"web.languages: there are no pages in {code}"])
    compiled = io.BytesIO()
    with file.open("rb") as text:
        write_mo(compiled, read_po(text, locale=code))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
