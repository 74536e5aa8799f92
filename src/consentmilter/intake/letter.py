"""The mail that asks a person whether a request was theirs, in their language as far as it can be guessed.

With the manners of RFC 3834: it says that it is automatic, refers to the mail that it answers, and is sent without an
envelope sender. Pure: date and Message-ID are passed in. Raises nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from consentmilter.addresses import canonical

MAX_LINE = 998
"""Octets of a line (RFC 5322 2.1.1). Shorter lines would make encoded words of long Message-IDs and addresses."""

_TEXTS = {
    "en": (
        "Please confirm: no more mail?",
        "We got a mail that asks us to stop sending this to you:",
        "We cannot tell whether it was you who wrote it. If it was, please confirm:",
        "If it was not, you need not do anything: nothing changes.",
    ),
    "de": (
        "Bitte bestätigen Sie: keine Mails mehr?",
        "Wir wurden gebeten, Ihnen dies nicht mehr zu schicken:",
        "Wir können nicht erkennen, ob die Bitte von Ihnen kam. Wenn ja, bestätigen Sie sie bitte:",
        "Wenn nicht, brauchen Sie nichts zu tun: Es ändert sich nichts.",
    ),
    "fr": (
        "Merci de confirmer : plus de messages ?",
        "Un message nous demande de ne plus vous envoyer ceci :",
        "Nous ne pouvons pas savoir s'il vient de vous. Si c'est le cas, merci de confirmer :",
        "Sinon, vous n'avez rien à faire : rien ne change.",
    ),
    "es": (
        "Confirme, por favor: ¿no más correos?",
        "Hemos recibido un correo que nos pide que dejemos de enviarle esto:",
        "No podemos saber si lo escribió usted. Si fue así, confírmelo, por favor:",
        "Si no fue así, no tiene que hacer nada: no cambia nada.",
    ),
    "ro": (
        "Vă rugăm să confirmați: fără alte mesaje?",
        "Am primit un mesaj prin care ni se cere să nu vă mai trimitem:",
        "Nu putem ști dacă l-ați scris dumneavoastră. Dacă da, vă rugăm să confirmați:",
        "Dacă nu, nu trebuie să faceți nimic: nu se schimbă nimic.",
    ),
    "nl": (
        "Bevestig alstublieft: geen mail meer?",
        "Wij kregen een mail waarin staat dat wij u dit niet meer moeten sturen:",
        "Wij kunnen niet zien of die van u kwam. Zo ja, bevestig het dan alstublieft:",
        "Zo niet, dan hoeft u niets te doen: er verandert niets.",
    ),
    "ar": (
        "يرجى التأكيد: هل تريدون إيقاف الرسائل؟",
        "وصلتنا رسالة تطلب منا التوقف عن إرسال ما يلي إليكم:",
        "لا يمكننا أن نعرف هل كتبتموها أنتم. إذا كنتم أنتم، فيرجى التأكيد:",
        "وإلا فلا حاجة إلى فعل أي شيء: لن يتغير شيء.",
    ),
}
"""By language: the subject, what was asked, what confirms it, and what else."""

_COUNTRIES = {
    **dict.fromkeys(("de", "at", "ch", "li"), "de"),
    **dict.fromkeys(("fr", "mc"), "fr"),
    **dict.fromkeys(("es", "mx", "cl", "pe", "uy", "ve"), "es"),
    **dict.fromkeys(("ro", "md"), "ro"),
    "nl": "nl",
    **dict.fromkeys(("ae", "bh", "dz", "eg", "iq", "jo", "kw", "lb", "ly", "ma", "om", "qa", "sa", "tn", "ye"), "ar"),
}
"""The language of most people whose addresses end so, where one is spoken by most."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked: `what` would stop, `links` confirm it (the page, the mail address, or both)."""

    recipient: str
    sender: str
    what: str
    links: tuple[str, ...]
    reply_to: str | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()


def write(question: Question, *, date: datetime, message_id: str) -> bytes:
    """The whole message, ready to be sent."""
    languages = dict.fromkeys([language_of(question.recipient), "en"])
    plain = f"{question.recipient}{question.sender}".isascii()
    letter = EmailMessage((SMTP if plain else SMTPUTF8).clone(max_line_length=MAX_LINE))
    letter["From"] = _mailbox(question.sender)
    letter["To"] = _mailbox(question.recipient)
    if question.reply_to:
        letter["Reply-To"] = _mailbox(question.reply_to)
    letter["Subject"] = _TEXTS[next(iter(languages))][0]
    letter["Date"] = format_datetime(date)
    letter["Message-ID"] = message_id
    letter["Auto-Submitted"] = "auto-replied"
    letter["X-Auto-Response-Suppress"] = "All"  # Exchange heeds this one (MS-OXCMAIL)
    if question.in_reply_to:
        letter["In-Reply-To"] = question.in_reply_to
        letter["References"] = _thread(question.references, question.in_reply_to)
    letter.set_content("\n\n".join(_text(language, question) for language in languages) + "\n", cte="quoted-printable")
    return letter.as_bytes()


def language_of(address: str) -> str:
    """The language that most people with such an address read."""
    return _COUNTRIES.get(canonical(address).domain.rpartition(".")[2], "en")


def _text(language: str, question: Question) -> str:
    _, asked, confirm, otherwise = _TEXTS[language]
    links = "\n".join(f"    {link}" for link in question.links)
    return f"{asked}\n\n    {question.what}\n\n{confirm}\n\n{links}\n\n{otherwise}"


def _thread(references: tuple[str, ...], last: str) -> str:
    """The end of the thread, as far as it fits on a line (RFC 5322 3.6.4)."""
    thread = list(dict.fromkeys([*references, last]))
    while len(" ".join(thread)) > MAX_LINE - len("References: "):
        del thread[0]
    return " ".join(thread)


def _mailbox(address: str) -> Mailbox:
    local, _, domain = address.rpartition("@")
    if local.startswith('"'):
        return Mailbox(addr_spec=address)
    return Mailbox(username=local, domain=domain)
