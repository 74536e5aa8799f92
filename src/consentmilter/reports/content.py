"""What stands in a MIME part: its type, its octets, its text (RFC 2045, 2047).

Never fails: what cannot be decoded stays as it is or becomes U+FFFD. Character sets are few on purpose, since Python's
own list has slow ones (punycode) and ones that are none (unicode_escape).
"""

import binascii
import re

from consentmilter.policy.mail import Headers

_MAX_VALUE = 2000
"""Characters of a Content-Type that are looked at, so that an odd one costs no time."""

_TYPE = re.compile(r"[a-z0-9.+_-]{1,80}/[a-z0-9.+_-]{1,80}")
_PARAMETER = re.compile(r';\s?([^\s=;"*]+)\s?=\s?(?:"((?:[^"\\]|\\.)*+)"|([^\s;"]*))')
_PAIR = re.compile(r"\\(.)")
_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9_-]{1,30})(?:\*[A-Za-z-]{0,20})?\?([BbQq])\?([!->@-~]*+)\?=(?:\s+(?==\?))?")
_CHARSET = re.compile(
    r"(?:us-)?ascii|utf-?8|iso[-_]8859[-_](?:1|2|3|4|5|6|7|8|9|10|13|14|15|16)|(?:windows-|cp)125[0-8]|koi8-[ru]"
)
_NOT_BASE64 = bytes(sorted(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")))


def media(headers: Headers) -> tuple[str, dict[str, str]]:
    """The media type and its parameters, names in lower case; text/plain where there is none that can be read."""
    value = next(iter(headers.values("content-type")), "")[:_MAX_VALUE]
    kind = value.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        return "text/plain", {}
    parameters: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value):
        parameters.setdefault(name.lower(), _PAIR.sub(r"\1", quoted) or plain)
    return kind, parameters


def octets(headers: Headers, body: bytes) -> bytes:
    """The body without its transfer encoding."""
    match next(iter(headers.values("content-transfer-encoding")), "").lower():
        case "base64":
            return _base64(body).replace(b"\r\n", b"\n")
        case "quoted-printable":
            return binascii.a2b_qp(body).replace(b"\r\n", b"\n")
        case _:
            return body


def text(raw: bytes, charset: str) -> str:
    """The text of octets in a character set that mail is written in; any other is read as UTF-8."""
    name = charset.lower()
    return raw.decode(name if _CHARSET.fullmatch(name) else "utf-8", "replace")


def unstructured(value: str) -> str:
    """The text of a header field with its encoded words (RFC 2047)."""
    return _ENCODED_WORD.sub(_word, value)


def _word(match: re.Match[str]) -> str:
    raw = match[3].encode("ascii")
    return text(_base64(raw) if match[2] in "Bb" else binascii.a2b_qp(raw, header=True), match[1])


def _base64(raw: bytes) -> bytes:
    digits = raw.translate(None, _NOT_BASE64)
    # A single digit over says less than an octet.
    digits = digits[:-1] if len(digits) % 4 == 1 else digits
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
