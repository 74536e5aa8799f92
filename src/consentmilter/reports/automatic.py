"""Whether a machine wrote a mail: an out-of-office notice, a receipt, a bounce, a mailing list's copy.

What such mail says is nobody's wish. RFC 3834 gives the signs that are standard; the others are what mail programs do
besides. Never fails.
"""

from consentmilter.reports import content
from consentmilter.reports.message import Incoming
from consentmilter.reports.plain import plain

_TELLTALES = (
    "x-autoreply",
    "x-autorespond",
    "x-auto-response-suppress",
    "x-failed-recipients",
    "feedback-id",
    "list-id",
)
"""Fields that no person's mail program adds to a reply."""

_PRECEDENCES = {"auto_reply", "bulk", "junk", "list"}
_ROBOTS = {"mailer-daemon", "postmaster", "no-reply", "noreply", "do-not-reply", "donotreply"}

_SUBJECTS = tuple(
    plain(words)
    for words in (
        # en
        "automatic reply",
        "auto reply",
        "autoreply",
        "auto:",
        "autoresponder",
        "out of office",
        "out of the office",
        "on vacation",
        "away from my mail",
        # de
        "automatische antwort",
        "abwesenheit",
        "abwesend",
        "nicht im büro",
        # fr
        "réponse automatique",
        "absence du bureau",
        "absent du bureau",
        # es
        "respuesta automática",
        "fuera de la oficina",
        "ausencia",
        # ro
        "răspuns automat",
        "absent din birou",
        "în concediu",
        # nl
        "automatisch antwoord",
        "automatische beantwoording",
        "afwezig",
        "niet op kantoor",
        # ar
        "رد تلقائي",
        "الرد التلقائي",
        "خارج المكتب",
    )
)


def is_automatic(incoming: Incoming, sender: str) -> bool:
    """Whether a machine wrote it; `sender` is the envelope's, empty or `<>` for the null sender."""
    headers = incoming.headers
    return (
        sender in ("", "<>")
        or incoming.auto_submitted != "no"
        or any(headers.has(name) for name in _TELLTALES)
        or any(value.lower() in _PRECEDENCES for value in headers.values("precedence"))
        or (incoming.author or "").partition("@")[0] in _ROBOTS
        or incoming.root.media == "multipart/report"
        or any(words in subject for subject in _subjects(incoming) for words in _SUBJECTS)
    )


def _subjects(incoming: Incoming) -> list[str]:
    return [plain(content.unstructured(value)) for value in incoming.headers.values("subject")]
