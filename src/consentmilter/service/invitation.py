"""The mail that asks a person whether they want what somebody asked for in their name: who, what, and the link.

It holds nothing else, so that it is no advertising itself. It says that it is automatic (RFC 3834 section 5), and is
sent without an envelope sender. Pure: date and Message-ID are passed in. Raises nothing.
"""

from dataclasses import dataclass
from datetime import date, datetime
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

MAX_LINE = 998
"""Octets of a line (RFC 5322 2.1.1). Shorter lines would make encoded words of long Message-IDs and addresses."""

_TEXTS = {
    "en": (
        "Please confirm: {title}",
        "We were asked to send you this:",
        "If it was you who asked for it, please confirm on this page:",
        "The link works until {until}. Without your confirmation nothing is sent.",
        "If it was not you, you need not do anything.",
    ),
    "de": (
        "Bitte bestätigen Sie: {title}",
        "Wir wurden gebeten, Ihnen dies zu schicken:",
        "Wenn die Bitte von Ihnen kam, bestätigen Sie sie bitte auf dieser Seite:",
        "Der Link gilt bis {until}. Ohne Ihre Bestätigung wird nichts verschickt.",
        "Wenn die Bitte nicht von Ihnen kam, brauchen Sie nichts zu tun.",
    ),
    "fr": (
        "Merci de confirmer : {title}",
        "Il nous a été demandé de vous envoyer ceci :",
        "Si la demande vient de vous, merci de la confirmer sur cette page :",
        "Le lien est valable jusqu'au {until}. Sans votre confirmation, rien n'est envoyé.",
        "Si la demande ne vient pas de vous, vous n'avez rien à faire.",
    ),
    "es": (
        "Confirme, por favor: {title}",
        "Nos han pedido que le enviemos esto:",
        "Si lo pidió usted, confírmelo, por favor, en esta página:",
        "El enlace es válido hasta el {until}. Sin su confirmación no se envía nada.",
        "Si no lo pidió usted, no tiene que hacer nada.",
    ),
    "ro": (
        "Vă rugăm să confirmați: {title}",
        "Ni s-a cerut să vă trimitem următoarele:",
        "Dacă cererea vă aparține, vă rugăm să o confirmați pe această pagină:",
        "Linkul este valabil până la {until}. Fără confirmarea dumneavoastră nu se trimite nimic.",
        "Dacă cererea nu vă aparține, nu trebuie să faceți nimic.",
    ),
    "nl": (
        "Bevestig alstublieft: {title}",
        "Ons is gevraagd u dit te sturen:",
        "Als u daar zelf om vroeg, bevestig het dan alstublieft op deze pagina:",
        "De link werkt tot en met {until}. Zonder uw bevestiging wordt er niets verstuurd.",
        "Als u er niet om vroeg, hoeft u niets te doen.",
    ),
    "ar": (
        "يرجى التأكيد: {title}",
        "طُلب منا أن نرسل إليكم ما يلي:",
        "إذا كنتم أنتم من طلب ذلك، فيرجى تأكيده في هذه الصفحة:",
        "الرابط صالح حتى {until}. لن يُرسل أي شيء دون تأكيدكم.",
        "إذا لم تكونوا أنتم، فلا حاجة إلى فعل أي شيء.",
    ),
}
"""By language: the subject, what was asked for, what confirms it, until when, and what else."""

LANGUAGES = tuple(_TEXTS)


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a person is asked: `name` and `address` are of the organisation, `title` and `description` of the stream."""

    recipient: str
    sender: str
    language: str
    name: str
    address: str | None
    title: str
    description: str | None
    link: str
    until: date


def write(invitation: Invitation, *, date: datetime, message_id: str) -> bytes:
    """The whole message, ready to be sent."""
    plain = f"{invitation.recipient}{invitation.sender}".isascii()
    letter = EmailMessage((SMTP if plain else SMTPUTF8).clone(max_line_length=MAX_LINE))
    letter["From"] = _mailbox(invitation.sender, invitation.name)
    letter["To"] = _mailbox(invitation.recipient)
    letter["Subject"] = _TEXTS[invitation.language][0].format(title=invitation.title)
    letter["Date"] = format_datetime(date)
    letter["Message-ID"] = message_id
    letter["Auto-Submitted"] = "auto-generated"
    letter["X-Auto-Response-Suppress"] = "All"  # Exchange heeds this one (MS-OXCMAIL)
    letter.set_content(_text(invitation), cte="quoted-printable")
    letter["Content-Language"] = invitation.language  # behind the content, which clears all fields of that kind
    return letter.as_bytes()


def _text(invitation: Invitation) -> str:
    _, asked, confirm, until, otherwise = _TEXTS[invitation.language]
    what = "\n".join(f"    {line}" for line in (invitation.title, invitation.description, invitation.name) if line)
    signature = f"\n\n-- \n{invitation.name}\n{invitation.address}" if invitation.address else ""
    until = until.format(until=invitation.until.isoformat())
    return f"{asked}\n\n{what}\n\n{confirm}\n\n    {invitation.link}\n\n{until}\n\n{otherwise}{signature}\n"


def _mailbox(address: str, name: str = "") -> Mailbox:
    local, _, domain = address.rpartition("@")
    if local.startswith('"'):
        return Mailbox(display_name=name, addr_spec=address)
    return Mailbox(display_name=name, username=local, domain=domain)
