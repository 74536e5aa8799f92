"""What callers say: the body or query of each call, validated; unknown fields are refused.

The OpenAPI description is made from these. Whether an address is one and a scope is there is seen later.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from consentmilter.config.roles import Language
from consentmilter.model import Basis, Reason
from consentmilter.web.api.answers import MAX_SUBJECT

MAX_BATCH = 1000
MAX_PAGE = 1000

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")


class Reported(StrEnum):
    """The reasons that a caller can give."""

    UNSUBSCRIBE = "unsubscribe"
    OBJECTION = "objection"
    MANUAL = "manual"
    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard_bounce"

    @property
    def reason(self) -> Reason:
        return Reason(self.value)


def _timestamp(value: Any) -> Any:
    # Pydantic also takes a number of seconds, in quotes or not.
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("not a time with its zone (write 2026-02-01T12:30:00Z)")
    return value


def _drop_default(schema: dict[str, Any]) -> None:
    # The empty text stands for a field that was left out; nobody may write it.
    del schema["default"]


def _text(description: str, most: int, *, least: int = 1, form: str | None = None) -> Any:
    """A field for text that may be left out."""

    def describe(schema: dict[str, Any]) -> None:
        _drop_default(schema)
        schema.update({"format": form} if form else {})

    return Field(default="", min_length=least, max_length=most, description=description, json_schema_extra=describe)


def _not_empty(value: dict[str, str]) -> dict[str, str]:
    if not any(text.strip() for text in value.values()):
        raise ValueError("say who asked for it, and how")
    return value


Scope = Annotated[
    str, Field(min_length=1, max_length=64, description="A stream, an organisation, or * for everything.")
]
Time = Annotated[datetime, BeforeValidator(_timestamp), Field(strict=False, description="RFC 3339, with its zone.")]
EvidenceName = Annotated[str, Field(min_length=1, max_length=40)]
EvidenceText = Annotated[str, Field(min_length=1, max_length=500)]
Evidence = Annotated[
    dict[EvidenceName, EvidenceText],
    Field(max_length=16, description="How it is known: form, ip, text_version and the like; kept in the ledger."),
]

SomeEvidence = Annotated[Evidence, Field(min_length=1), AfterValidator(_not_empty)]
StreamName = Annotated[str, Field(min_length=1, max_length=64, description="A stream.")]


class Message(BaseModel):
    """Base of everything that callers say."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Person(Message):
    """Somebody, by e-mail address, or everybody at a domain; one of the two."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["email"]}, {"required": ["domain"]}]})

    email: str = _text("An e-mail address.", MAX_SUBJECT, least=3, form="email")
    domain: str = _text("A domain (example.com) or all below it (.example.com).", MAX_SUBJECT, least=3)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.email) == bool(self.domain):
            raise ValueError("give an email or a domain, one of both")
        return self


class Addition(Person):
    """Somebody who opted out."""

    scope: Scope
    reason: Reported = Reported.UNSUBSCRIBE
    at: Time | None = None
    evidence: Evidence = Field(default_factory=dict)


class Batch(Message):
    """Several who opted out."""

    items: Annotated[list[Addition], Field(min_length=1, max_length=MAX_BATCH)]


class Question(Person):
    """Whether somebody may be mailed for a stream."""

    stream: Annotated[str, Field(min_length=1, max_length=64, description="The stream of the mail.")]


class Removal(Person):
    """Somebody who may be mailed again."""

    scope: Scope
    reason: Reason | None = None
    evidence: SomeEvidence


class Reader(Message):
    """One person."""

    email: Annotated[
        str,
        Field(
            min_length=3,
            max_length=MAX_SUBJECT,
            description="An e-mail address.",
            json_schema_extra={"format": "email"},
        ),
    ]


class Grant(Reader):
    """Somebody's consent to a stream."""

    stream: StreamName
    basis: Basis = Basis.CONSENT
    at: Time | None = None
    confirmed: Annotated[bool, Field(description="Whether the person confirmed it, as by a link in a mail.")] = False
    evidence: SomeEvidence


class Request(Reader):
    """Somebody who is to be asked for consent to a stream."""

    stream: StreamName
    language: Annotated[Language | None, Field(description="That of the mail; by default the site's first.")] = None
    evidence: Evidence = Field(default_factory=dict)


class Withdrawal(Reader):
    """Somebody who takes consent back."""

    scope: Scope
    evidence: Evidence = Field(default_factory=dict)


class ConsentQuestion(Reader):
    """What is recorded of somebody's consent to a stream."""

    stream: StreamName


class Right(Reader):
    """What somebody may ask about what is held of them."""

    evidence: Evidence = Field(default_factory=dict)
    dry_run: Annotated[bool, Field(description="Only say what would be done.")] = False


class Restriction(Right):
    """Somebody whose data is only to be kept."""

    evidence: SomeEvidence


class Rectification(Restriction):
    """Somebody whose address is another one."""

    new_email: Annotated[str, Field(min_length=3, max_length=MAX_SUBJECT, json_schema_extra={"format": "email"})]


class Objection(Right):
    """Somebody who objects to marketing."""

    scope: Annotated[str, Field(min_length=1, max_length=64, description="An organisation, or * for everything.")]


class Place(Message):
    """A place in the feed of changes."""

    # A query has only text.
    model_config = ConfigDict(strict=False)

    cursor: str = _text("Where the last page ended; without it, the beginning.", 400)
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, description="How many changes at most.")] = 100


class Nothing(Message):
    """A call that has nothing to say."""
