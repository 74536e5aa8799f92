"""A person's own words in a reply: without what is quoted, forwarded, or appended by the mail program.

Mail programs mark quotes with `>`, or introduce them with a line ("On Monday, Acme wrote:") or with header fields. What
looks like such an introduction ends the own words, unless lines with `>` follow, which have an end of their own: people
do write below. Never fails.
"""

import re

from consentmilter.reports.plain import plain

MAX_LINES = 400
MAX_LINE = 1000
"""Lines and characters of one that are looked at; behind them stand quotes, if anything."""

_MAX_INTRODUCTION = 3
"""Lines over which mail programs wrap an introduction."""

_STARTS = ("on ", "am ", "le ", "el ", "in ", "pe ", "op ", plain("في "), plain("بتاريخ "))
"""How an introduction begins that goes on in the next line; the line before one may be the person's own."""

_VERBS = tuple(
    plain(verb)
    for verb in (
        " wrote",
        " schrieb",
        " a écrit",
        " escribió",
        " a scris",
        " schreef",
        " geschreven",
        " كتب",
        " كتبت",
        " sent:",
    )
)
_SEPARATOR = re.compile(r"_{10,}|-{2,} ?[^-]{4,60} ?-{2,}|(?:begin forwarded message|anfang der weitergeleiteten .*):")
_FIELD_NAMES = {
    plain(name)
    for names in (
        ("from", "sent", "date", "to", "cc", "subject"),
        ("von", "gesendet", "datum", "an", "betreff"),
        ("de", "envoyé", "à", "objet"),
        ("enviado", "enviado el", "fecha", "para", "asunto"),
        ("de la", "expeditor", "trimis", "data", "către", "subiect"),
        ("van", "verzonden", "aan", "onderwerp"),
        ("من", "التاريخ", "تم الإرسال", "إلى", "الموضوع"),
    )
    for name in names
}
_FIELDS_IN_A_ROW = 3
_APPENDED = tuple(
    plain(words)
    for words in (
        "sent from my ",
        "sent from ",
        "get outlook for ",
        "von meinem ",
        "gesendet von ",
        "gesendet mit ",
        "envoyé de mon ",
        "envoyé depuis ",
        "enviado desde ",
        "trimis de pe ",
        "verzonden vanaf ",
        "verstuurd vanaf ",
        "أرسلت من ",
        "مرسل من ",
    )
)


def own_words(text: str) -> str:
    """What the writer of `text` added to it, lines as they were."""
    raw_lines = [line[:MAX_LINE].rstrip() for line in text.split("\n", MAX_LINES)[:MAX_LINES]]
    lines = [plain(line).strip() for line in raw_lines]
    kept: list[str] = []
    at = 0
    while at < len(lines) and not _ends(lines, at):
        introduction = _introduction(lines, at)
        if introduction and not _quote_follows(lines, at + introduction):
            break
        if not introduction and not lines[at].startswith((">", *_APPENDED)):
            kept.append(raw_lines[at])
        at += introduction or 1
    return "\n".join(kept).strip()


def _ends(lines: list[str], at: int) -> bool:
    """Whether a signature (RFC 3676 4.3), a separator, or the header of the mail that is answered begins here."""
    return lines[at] == "--" or _SEPARATOR.fullmatch(lines[at]) is not None or _header_begins(lines, at)


def _header_begins(lines: list[str], at: int) -> bool:
    if not _is_field(lines[at]):
        return False
    return sum(_is_field(line) for line in lines[at : at + 2 * _FIELDS_IN_A_ROW]) >= _FIELDS_IN_A_ROW


def _is_field(line: str) -> bool:
    # Bold names come as *From:* in the plain half.
    name, colon, _ = line.partition(":")
    return bool(colon) and name.strip("* ") in _FIELD_NAMES


def _introduction(lines: list[str], at: int) -> int:
    """How many lines introduce a quote here; 0 for none."""
    if not lines[at] or lines[at].startswith(">"):
        return 0
    for count in range(1, _MAX_INTRODUCTION + 1):
        if count > 1 and not (lines[at].startswith(_STARTS) and _is_dated(lines[at])):
            return 0
        line = " ".join(lines[at : at + count])
        if line.endswith(":") and _names_a_mail(line):
            return count
    return 0


def _names_a_mail(line: str) -> bool:
    dated = _is_dated(line)
    return ("<" in line and "@" in line and dated) or (("@" in line or dated) and any(verb in line for verb in _VERBS))


def _is_dated(line: str) -> bool:
    return any(character.isdigit() for character in line)


def _quote_follows(lines: list[str], at: int) -> bool:
    following = next((line for line in lines[at : at + 3] if line), "")
    return following.startswith(">")
