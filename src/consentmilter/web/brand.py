"""What the site gives to the pages: its colour in the style sheet, its logo, the footer.

Raises ConfigError for a logo that cannot be read or is no image.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from consentmilter.config.roles import WebConfig
from consentmilter.errors import ConfigError
from consentmilter.web.colours import ink, readable

MAX_LOGO = 512 * 1024

LIGHT = "#ffffff"
DARK = "#16181d"
"""The page's background, in light and dark mode; the style sheet takes them from here."""

_KINDS = {
    ".png": ("image/png", b"\x89PNG\r\n\x1a\n"),
    ".jpg": ("image/jpeg", b"\xff\xd8\xff"),
    ".jpeg": ("image/jpeg", b"\xff\xd8\xff"),
    ".webp": ("image/webp", b"RIFF"),
    ".svg": ("image/svg+xml", b"<"),
}
"""The media type of each suffix, and what such a file begins with."""


@dataclass(frozen=True, slots=True)
class Logo:
    """An image and its media type."""

    octets: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Brand:
    """How the pages look."""

    style: str
    logo: Logo | None
    footer: str | None


def load(config: WebConfig) -> Brand:
    """The site's look, read from its files once."""
    return Brand(_style(config.accent), read_logo(config.logo) if config.logo else None, config.footer)


def read_logo(path: Path) -> Logo:
    """The image in the file at `path`."""
    media_type, start = _KINDS.get(path.suffix.lower(), ("", b""))
    if not media_type:
        raise ConfigError([f"web.logo: {path}: not a PNG, JPEG, WebP or SVG file"])
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_LOGO + 1)
    except OSError as error:
        raise ConfigError([f"web.logo: {path}: {error.strerror}"]) from error
    if len(octets) > MAX_LOGO:
        raise ConfigError([f"web.logo: {path}: more than {MAX_LOGO // 1024} KiB"])
    if not octets.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(start):
        raise ConfigError([f"web.logo: {path}: not what its name says, {media_type}"])
    return Logo(octets, media_type)


def _style(accent: str) -> str:
    sheet = resources.files("consentmilter.web").joinpath("static", "style.css").read_text(encoding="utf-8")
    colours = {
        "light": LIGHT,
        "dark": DARK,
        "accent": accent,
        "accent-ink": ink(accent),
        "link-light": readable(accent, LIGHT),
        "link-dark": readable(accent, DARK),
    }
    return ":root {\n" + "".join(f"  --{name}: {value};\n" for name, value in colours.items()) + "}\n" + sheet
