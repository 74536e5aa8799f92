"""What the pages say besides the templates: kinds of mail, legal bases, notices. English, for the catalogues."""

from dataclasses import dataclass
from http import HTTPStatus

from consentmilter.model import Basis


def _(text: str) -> str:
    """Mark a text for the catalogues; it is translated where it is shown."""
    return text


KINDS = {
    "security-patch": _("security updates and notices"),
    "product-download": _("messages about a download that you asked for"),
    "licence": _("licence keys and their expiry"),
    "transactional": _("orders, invoices and passwords"),
    "support": _("answers to your requests"),
    "system-alert": _("alerts of a system that you run or use"),
    "policy-change": _("changes of the privacy policy or the terms"),
    "community": _("mail of a community that you joined"),
}
"""The built-in exempt categories; a site's own are told by the titles of their streams."""

BASES = {
    Basis.CONSENT: _("your consent (GDPR Art. 6(1)(a))"),
    Basis.CONTRACT: _("a contract with you (GDPR Art. 6(1)(b))"),
    Basis.LEGAL_OBLIGATION: _("a legal obligation of the sender (GDPR Art. 6(1)(c))"),
    Basis.LEGITIMATE_INTEREST: _("a legitimate interest of the sender (GDPR Art. 6(1)(f))"),
}

SENDER = _("this sender")
"""Stands behind "from" where the sender has no title."""

BUILT_IN_TITLES = frozenset({_("Bulk mail")})
"""The title of the built-in stream, where the site has not given it one of its own."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A page that only says something; `contact` adds whom to write to, where the site says so."""

    title: str
    text: str
    contact: str = ""


TOO_LATE = HTTPStatus.GONE

_TO_STOP = _("You can also write to %(address)s and say which mail you no longer want.")

_UNCLEAR = Notice(
    _("This request was not understood"),
    _("Nothing has been changed. Please open the link from the message and use the buttons on the page."),
)

NOTICES = {
    HTTPStatus.BAD_REQUEST: _UNCLEAR,
    HTTPStatus.METHOD_NOT_ALLOWED: _UNCLEAR,
    HTTPStatus.NOT_FOUND: Notice(
        _("This link does not work"),
        _(
            "It may have been cut off or altered on its way. "
            "Please open it again from the message, or copy the whole link into the address bar."
        ),
        _TO_STOP,
    ),
    TOO_LATE: Notice(
        _("This can no longer be taken back"),
        _("A click can be taken back for %(minutes)s minutes. Nothing has been changed now."),
    ),
    HTTPStatus.TOO_MANY_REQUESTS: Notice(
        _("Too many requests"),
        _("Nothing has been changed. Please wait a minute and try again."),
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: Notice(
        _("Not done yet"),
        _("Your request could not be stored just now. Nothing has been changed. Please try again in a few minutes."),
        _TO_STOP,
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: Notice(
        _("Something went wrong"),
        _("This was our fault. Please try again in a few minutes."),
        _TO_STOP,
    ),
}

LINK_OVER = Notice(
    _("This link is no longer good"),
    _(
        "A link to confirm is good for %(days)s days, and only until you answer in another way. "
        "Nothing has been changed. If you still want the mail, please ask for it again."
    ),
)
"""In place of the page that asks for consent, where there is nothing to confirm any more."""

STOPPED = Notice(
    _("This cannot be undone here"),
    _(
        "This mail was stopped in a way that a click cannot take back: by a complaint or an objection, "
        "or for a legal or technical reason. Nothing has been changed."
    ),
    _("If you want it all the same, please write to %(address)s."),
)
"""The same where something stands against the person that their consent does not outdo."""
