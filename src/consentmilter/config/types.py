"""The kinds of value that configuration keys take, each with a message that says what is wrong and what would do."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from consentmilter.addresses import mailable
from consentmilter.errors import AddressError

MAX_STREAM_NAME = 51
"""With a mailto local part of 11 characters and a + it must fit 64 octets (RFC 5321 4.5.3.1.1) and not be 52
characters long, as a token is."""

MAX_MAILTO_LOCAL = 11

MAX_FILE_MODE = 0o777

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LABEL = r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?"
_STREAM = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_URL = re.compile(r"https://[A-Za-z0-9.\-\[\]:]+(?:/[A-Za-z0-9._~\-/]*)?")
_LIST_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
_FIELD = re.compile(r"[!-9;-~]+")
_PLAIN_LOCAL = re.compile(r"[a-z0-9._-]+")
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Controls, and surrogates, which no encoding can write."""


def _duration(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _DURATION.fullmatch(str(value).strip())
    if not match:
        raise ValueError(f"{value!r} is no duration (write 500ms, 2s, 5m, 1h or 1d)")
    return float(match[1]) * _UNITS[match[2]]


def _octal(value: Any) -> int:
    # YAML 1.1 reads 0660 as octal and "0660" as text; both mean the same here.
    try:
        mode = value if isinstance(value, int) and not isinstance(value, bool) else int(str(value), 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= MAX_FILE_MODE:
        raise ValueError(f"{value!r} is no file mode (write 0660)")
    return mode


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _network(value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))  # a number would be an address too: 10 would be 0.0.0.10
    except ValueError as error:
        raise ValueError(f"{value!r} is no address or network ({error})") from None


def _stream_name(name: str) -> str:
    if not _STREAM.fullmatch(name) or len(name) > MAX_STREAM_NAME:
        raise ValueError(
            f"{name!r} is no stream name (small letters, digits, - and _ in parts joined by dots, "
            f"at most {MAX_STREAM_NAME} characters)"
        )
    return name


def _organisation_name(name: str) -> str:
    if "." in name:
        raise ValueError(f"{name!r} is no organisation (the first part of a stream's name, without a dot)")
    return _stream_name(name)


def _https(url: str) -> str:
    if not _URL.fullmatch(url) or len(url) > 200:
        raise ValueError(f"{url!r} is no usable https address (RFC 8058 wants https; no query, at most 200 characters)")
    return url.rstrip("/")


def _help_url(url: str) -> str:
    if not re.fullmatch(r"https?://[!-~]{1,120}", url):
        raise ValueError(f"{url!r} is no web address of at most 120 plain characters")
    return url


def _mailto(text: str) -> str:
    try:
        address = mailable(text)
    except AddressError as error:
        raise ValueError(str(error)) from None
    if len(address.local) > MAX_MAILTO_LOCAL or not _PLAIN_LOCAL.fullmatch(address.local):
        raise ValueError(
            f"{text!r}: the part before the @ must be at most {MAX_MAILTO_LOCAL} plain characters (a-z 0-9 . _ -), "
            "since +TOKEN comes behind it"
        )
    return str(address)


def _title(text: str) -> str:
    if _NO_TEXT.search(text) or not 0 < len(text.strip()) <= 80:
        raise ValueError("a title has 1 to 80 characters on one line")
    return text.strip()


def _list_id(text: str) -> str:
    if not _LIST_ID.fullmatch(text) or len(text) > 200:
        raise ValueError(f"{text!r} is no list identifier (RFC 2919: name.of.list.example.com, without brackets)")
    return text


def _field_name(text: str) -> str:
    if not _FIELD.fullmatch(text):
        raise ValueError(f"{text!r} is no header field name (no spaces, no colon)")
    return text


def _socket(text: str) -> str:
    if re.fullmatch(r"unix:/.+|inet6?:(\d+@(?:[^@:]+|\[[0-9a-fA-F:]+\])|[^@:]+:\d+|\[[0-9a-fA-F:]+\]:\d+)", text):
        return text
    raise ValueError(f"{text!r} is no socket (write unix:/path, inet:127.0.0.1:PORT or inet6:[::1]:PORT)")


def _unix_socket(text: str) -> str:
    if not re.fullmatch(r"unix:/.+", text):
        raise ValueError(f"{text!r} is no unix socket (write unix:/path)")
    return text


def _host_port(text: str) -> str:
    match = re.fullmatch(r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", text)
    if not match or not 0 < int(match[1]) < 65536:
        raise ValueError(f"{text!r} is no address and port (write 127.0.0.1:8025)")
    return text


def _listen(text: str) -> str:
    return _unix_socket(text) if text.startswith("unix:") else _host_port(text)


def _email(text: str) -> str:
    try:
        return str(mailable(text))
    except AddressError as error:
        raise ValueError(str(error)) from None


def _colour(text: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError(f"{text!r} is no colour (write '#1a5fb4', in quotes)")
    return text.lower()


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError("no SHA-256 digest: 64 hexadecimal digits (printf %s TOKEN | sha256sum)")
    return text.lower()


def _description(text: str) -> str:
    if _NO_TEXT.search(text) or not 0 < len(text.strip()) <= 300:
        raise ValueError("a description has 1 to 300 characters on one line")
    return text.strip()


def networks(*texts: str) -> list[IPv4Network | IPv6Network]:
    """Networks as a default value."""
    return [ip_network(text) for text in texts]


def _plain_networks(networks: Iterable[Any]) -> list[str]:
    return [str(network) for network in networks]


Duration = Annotated[float, BeforeValidator(_duration)]
"""Seconds; written 500ms, 2s, 5m, 1h, 1d."""

FileMode = Annotated[int, BeforeValidator(_octal), PlainSerializer(lambda mode: f"{mode:04o}", return_type=str)]
OneOrMore = Annotated[list[str], BeforeValidator(_listed)]
"""A single text or a list of them."""

Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Networks = Annotated[list[Network], BeforeValidator(_listed), PlainSerializer(_plain_networks, return_type=list[str])]
StreamName = Annotated[str, AfterValidator(_stream_name)]
OrganisationName = Annotated[str, AfterValidator(_organisation_name)]
HttpsUrl = Annotated[str, AfterValidator(_https)]
HelpUrl = Annotated[str, AfterValidator(_help_url)]
Mailto = Annotated[str, AfterValidator(_mailto)]
Title = Annotated[str, AfterValidator(_title)]
ListId = Annotated[str, AfterValidator(_list_id)]
FieldName = Annotated[str, AfterValidator(_field_name)]
FieldNames = Annotated[list[FieldName], BeforeValidator(_listed)]
Socket = Annotated[str, AfterValidator(_socket)]
UnixSocket = Annotated[str, AfterValidator(_unix_socket)]
HostPort = Annotated[str, AfterValidator(_host_port)]
Listen = Annotated[str, AfterValidator(_listen)]
EmailAddress = Annotated[str, AfterValidator(_email)]
Addresses = Annotated[list[EmailAddress], BeforeValidator(_listed)]
Colour = Annotated[str, AfterValidator(_colour)]
Sha256 = Annotated[str, AfterValidator(_sha256)]
Description = Annotated[str, AfterValidator(_description)]
