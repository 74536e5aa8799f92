"""Whatever colour a site chooses, its buttons and links can be read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentmilter.config.roles import WebConfig
from consentmilter.web import brand
from consentmilter.web.brand import DARK, LIGHT
from consentmilter.web.colours import AA, contrast, ink, readable

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#1a5fb4", "#ffffff", 6.28),
    ],
)
def test_contrast_is_that_of_the_guidelines(one: str, other: str, ratio: float) -> None:
    """WCAG 2.2, relative luminance; #777 on white is the well-known near miss of AA."""
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@settings(max_examples=200)
@given(colours)
def test_every_accent_can_be_read(accent: str) -> None:
    """On the button, and as a link in light and in dark mode."""
    assert contrast(accent, ink(accent)) >= AA
    for background in (LIGHT, DARK):
        assert contrast(readable(accent, background), background) >= AA


def test_a_colour_that_reads_is_left_alone() -> None:
    """The site's colour is the site's colour."""
    assert readable("#1a5fb4", LIGHT) == "#1a5fb4"
    assert readable("#ffff00", DARK) == "#ffff00"
    assert readable("#ffff00", LIGHT) != "#ffff00"


def test_the_style_sheet_has_the_colours_of_the_site() -> None:
    """And loads nothing."""
    style = brand.load(WebConfig(accent="#a51d2d")).style
    assert "--accent: #a51d2d;" in style
    assert "--accent-ink: #ffffff;" in style
    assert "url(" not in style
    assert "@import" not in style
