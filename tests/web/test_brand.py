"""The site's logo: an image of a known kind, or a fault of the configuration that says so."""

from pathlib import Path

import pytest

from consentmilter.errors import ConfigError
from consentmilter.web.brand import MAX_LOGO, Logo, read_logo

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
SVG = b"\xef\xbb\xbf<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.mark.parametrize(
    ("name", "octets", "media_type"),
    [
        ("a.png", PNG, "image/png"),
        ("a.PNG", PNG, "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.jpeg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.webp", b"RIFF\0\0\0\0WEBP", "image/webp"),
        ("a.svg", SVG, "image/svg+xml"),
    ],
)
def test_an_image_has_the_type_of_its_name(tmp_path: Path, name: str, octets: bytes, media_type: str) -> None:
    """Read once, as it is."""
    (tmp_path / name).write_bytes(octets)
    assert read_logo(tmp_path / name) == Logo(octets, media_type)


@pytest.mark.parametrize(
    ("name", "octets", "fault"),
    [
        ("a.gif", b"GIF89a", "not a PNG, JPEG, WebP or SVG file"),
        ("a.html", b"<html>", "not a PNG"),
        ("a.png", SVG, "not what its name says, image/png"),
        ("a.svg", b"alert(1)", "not what its name says, image/svg"),
        ("a.png", b"", "not what its name says"),
        ("a.png", PNG + b"\0" * MAX_LOGO, "more than 512 KiB"),
        ("a.png", None, "No such file"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, name: str, octets: bytes | None, fault: str) -> None:
    """With the key, the path and the cause."""
    if octets is not None:
        (tmp_path / name).write_bytes(octets)
    with pytest.raises(ConfigError, match=f"web.logo: .*{name}: {fault}"):
        read_logo(tmp_path / name)


def test_a_directory_is_no_logo(tmp_path: Path) -> None:
    """The cause is the system's."""
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        read_logo(tmp_path / "a.png")
