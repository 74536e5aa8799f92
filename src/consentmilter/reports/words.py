"""What a person wrote in a reply: their own words, and whether these ask for no more mail.

Only what is short and clear is a request; a question, a condition, a negation, another person's name or a link beside
it leave it to a human reader. Machines' mail says nothing. The words may be shown to an operator who reviews
them; a subject is read where the mail is no answer, and is never part of what is kept. Never fails.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from consentmilter.reports import content
from consentmilter.reports.automatic import is_automatic
from consentmilter.reports.markup import text_of
from consentmilter.reports.message import Incoming, Part
from consentmilter.reports.phrases import LANGUAGES
from consentmilter.reports.plain import plain
from consentmilter.reports.quoted import own_words

MAX_WORDS = 40
"""Words in a request, greeting and name included; a longer letter has more to say than that."""

MAX_KEPT = 2000
"""Characters of a person's words that are handed on."""

_MAX_TEXT = 1 << 16
"""Characters of a body that are looked at; own words stand before or behind quotes of a newsletter's length."""

_MAX_SUBJECT = 200

_SHORT = 4
"""Words in a sentence; a shorter one with a negation ("not really") is about what stands beside it."""

_ANSWER = re.compile(
    r"\s*+(?:re|aw|antw|antwort|sv|vs|rv|tr|r|fw|fwd|wg|doorst|enc|res|ref|رد|الرد|إعادة)\s?(?:\[\d+\])?\s?:",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?:|www\.|\S@\S")
_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"(?<![.!])[.!]++(?=\s|$)|(?<=[?؟])")
_CLAUSE_END = re.compile(r"[,;:،؛¿¡\n]|\s[-\u2013\u2014]+\s|\s(?:and|und|et|y|en)\s")

_WRAPPING = "\"'()[]*«»\u201c\u201d\u201e "
"""What people put around a word that they were told to send."""


def _words(texts: list[str]) -> frozenset[str]:
    return frozenset(plain(" ".join(texts)).split())


def _phrases(texts: list[str], separator: str) -> list[str]:
    """The phrases of several languages, the longest first, since an alternative that matches ends the search."""
    phrases = [" ".join(phrase.split()) for text in texts for phrase in plain(text).split(separator)]
    return sorted(filter(None, phrases), key=len, reverse=True)


_REQUESTS = "|".join(_phrases([each.requests for each in LANGUAGES], "\n"))
_REQUEST = re.compile(rf"(?<!\S)(?:{_REQUESTS})(?!\S)")
_MENTION = re.compile("|".join(_phrases([each.mentions for each in LANGUAGES], ",")))
_ASKING = _words([each.asking for each in LANGUAGES])
_ASKERS = {"i", "we"}
"""Who asks whether they could, and does not ask us to."""

_FILLERS = _words([each.fillers for each in LANGUAGES])
_NEGATIONS = _words([each.negations for each in LANGUAGES])
_DOUBTS = _words([each.doubts for each in LANGUAGES])


class Intent(StrEnum):
    """What a reply asks for."""

    OPT_OUT = "opt-out"
    UNCLEAR = "unclear"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Reply:
    """A person's reply; `words` are their own, at most 2000 characters, for who reviews it."""

    intent: Intent
    words: str = field(repr=False)


def reply(incoming: Incoming, sender: str) -> Reply:
    """What the mail says; `sender` is the envelope's, empty or `<>` for the null sender."""
    if is_automatic(incoming, sender):
        return Reply(Intent.NOTHING, "")
    words = own_words(_text(incoming.root))
    return Reply(intent(f"{_subject(incoming)}\n\n{words}"), words[:MAX_KEPT])


def intent(text: str) -> Intent:
    """What a text asks for, whatever its language."""
    words = plain(text)
    # A line that ends in a comma or a colon goes on in the next.
    flowing = re.sub(r"([,:;])[^\S\n]*\n", r"\1 ", words)
    paragraphs = [part for part in _PARAGRAPH.split(flowing) if part.strip()]
    sentences = [each.strip() for part in paragraphs for each in _SENTENCE_END.split(part) if each.strip()]
    judged = [_sentence(each) for each in sentences]
    if all(each is Intent.NOTHING for each in judged) and not _MENTION.search(words):
        return Intent.NOTHING
    if Intent.OPT_OUT not in judged or Intent.UNCLEAR in judged:
        return Intent.UNCLEAR
    if any(_is_doubtful(each) for each in sentences) or _LINK.search(words) or len(words.split()) > MAX_WORDS:
        return Intent.UNCLEAR
    return Intent.OPT_OUT


def _sentence(sentence: str) -> Intent:
    asks = sentence.endswith(("?", "؟"))
    clauses = [" ".join(each.split()).strip(_WRAPPING) for each in _CLAUSE_END.split(sentence.rstrip("?؟ "))]
    others = [clause for clause in clauses if not _is_request(clause, asks)]
    if any(_MENTION.search(clause) or _REQUEST.search(clause) for clause in others):
        return Intent.UNCLEAR
    if len(others) == len(clauses):
        return Intent.NOTHING
    beside = {word for clause in others for word in clause.split()}
    if _NEGATIONS & beside or (asks and not beside <= _FILLERS):
        return Intent.UNCLEAR
    return Intent.OPT_OUT


def _is_request(clause: str, asks: bool) -> bool:
    """Whether a clause is a request and nothing more; a question must be asked politely to be one."""
    rest, count = _REQUEST.subn(" ", clause)
    # Two in one clause may undo each other: "I do not want your opt-out".
    if count != 1:
        return False
    words = set(rest.split())
    if asks:
        return bool(words & _ASKING) and words <= (_FILLERS | _ASKING) - _ASKERS
    return words <= _FILLERS


def _is_doubtful(sentence: str) -> bool:
    words = re.sub(r"[^\w'\s-]", " ", sentence).split()
    short = len(words) < _SHORT and bool(_NEGATIONS & set(words)) and _sentence(sentence) is Intent.NOTHING
    return short or bool(_DOUBTS & set(words))


def _text(root: Part) -> str:
    """The first text of the mail that is no attachment, the plain one where there are both."""
    leaves = [leaf for leaf in root.leaves() if not _is_attached(leaf)]
    texts = [leaf.text() for leaf in leaves if leaf.media == "text/plain"]
    texts += [text_of(leaf.text()) for leaf in leaves if leaf.media == "text/html"]
    return next((text[:_MAX_TEXT] for text in texts if text.strip()), "")


def _is_attached(part: Part) -> bool:
    return any(value.lower().startswith("attachment") for value in part.headers.values("content-disposition"))


def _subject(incoming: Incoming) -> str:
    """The subject of a mail that is no answer; that of an answer is ours."""
    values = [content.unstructured(value) for value in incoming.headers.values("subject")]
    headers = incoming.headers
    if len(values) != 1 or headers.has("in-reply-to") or _ANSWER.match(values[0]):
        return ""
    return values[0][:_MAX_SUBJECT]
