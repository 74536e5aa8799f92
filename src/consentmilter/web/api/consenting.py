"""Calls about consent: it is given, asked for, taken back, and asked about.

An answer is given after the commit. Who is asked for consent, and who takes it back, is answered alike whatever stood
before: a form cannot be used to learn who is on the list.
"""

from datetime import UTC, datetime

from consentmilter import log
from consentmilter.errors import UsageError
from consentmilter.model import Consent, ConsentState
from consentmilter.policy.consents import standing
from consentmilter.service import consents
from consentmilter.service.consents import OptIn
from consentmilter.service.opting_in import Wish
from consentmilter.service.submission import SubmissionError
from consentmilter.subjects import Subject
from consentmilter.web.api.answers import Asked, ConsentRecorded, ConsentTold, Withdrawn
from consentmilter.web.api.calls import Call, M
from consentmilter.web.api.edge import unavailable
from consentmilter.web.api.evidence import proof_of
from consentmilter.web.api.messages import ConsentQuestion, Grant, Request, Withdrawal
from consentmilter.web.api.problems import unusable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_log = log.get()


async def grant(call: Call[Grant]) -> ConsentRecorded:
    """Record somebody's consent to a stream."""
    said = call.message
    stream, subject = call.stream(said.stream), call.reader(said.email)
    opt_in = OptIn(
        subject.key,
        stream.name,
        proof_of(said.evidence),
        address=_stored(call, subject),
        basis=said.basis,
        at=None if said.at is None else max(_EPOCH, said.at),
        confirmed=said.confirmed,
    )
    try:
        stands = await consents.grant(call.context.store, opt_in, call.actor, now=call.context.now)
    except UsageError as error:
        raise unusable("at", str(error)) from None
    _tell(call, "granted", subject, stream.name)
    return ConsentRecorded(
        subject=subject.text, stream=stream.name, state=stands.state if stands else ConsentState.GRANTED
    )


async def request(call: Call[Request]) -> Asked:
    """Send somebody a mail that asks for consent to a stream, at most once a day."""
    said = call.message
    stream, subject = call.stream(said.stream), call.reader(said.email)
    wish = Wish(subject, stream, proof_of(said.evidence), said.language)
    try:
        outcome = await call.context.opting_in.ask(wish, call.actor)
    except UsageError as error:
        raise unusable("stream", str(error)) from None
    except SubmissionError as error:
        _log.warning("api_mail_not_sent", request=call.request, subject=subject.key.hex(), cause=str(error))
        raise unavailable("the mail cannot be sent now, and nothing was changed") from None
    _tell(call, str(outcome), subject, stream.name)
    return Asked(subject=subject.text, stream=stream.name)


async def withdraw(call: Call[Withdrawal]) -> Withdrawn:
    """Take back somebody's consent to a stream and all below it."""
    said = call.message
    call.scope(said.scope)
    subject = call.reader(said.email)
    await consents.withdraw(
        call.context.store, subject.key, said.scope, proof_of(said.evidence), call.actor,
        address=_stored(call, subject), now=call.context.now,
    )  # fmt: skip
    _tell(call, "withdrawn", subject, said.scope)
    return Withdrawn(subject=subject.text, scope=said.scope)


async def check(call: Call[ConsentQuestion]) -> ConsentTold:
    """Say what is recorded of somebody's consent to a stream."""
    said = call.message
    stream, subject = call.stream(said.stream), call.reader(said.email)
    found = _stands(await consents.held(call.context.store, call.own_keys(said.email)), stream.name)
    return ConsentTold(
        subject=subject.text,
        stream=stream.name,
        required=stream.requires_consent,
        state=found.state if found else None,
        scope=found.stream if found else None,
        basis=found.basis if found else None,
        at=found.at if found else None,
        confirmed=found is not None and found.confirmed,
    )


def _stands(held: list[Consent], stream: str) -> Consent | None:
    """What a person said last of the stream, or that they were asked."""
    asked = (each for each in held if each.stream == stream and each.state is ConsentState.REQUESTED)
    return standing(held, stream) or next(asked, None)


def _stored(call: Call[M], subject: Subject) -> str | None:
    return subject.text if call.context.config.privacy.store_addresses else None


def _tell(call: Call[M], outcome: str, subject: Subject, stream: str) -> None:
    address = {"address": subject.text} if call.context.config.log.addresses else {}
    _log.info(
        "api_consent", request=call.request, token=call.caller.name, subject=subject.key.hex(), stream=stream,
        outcome=outcome, **address,
    )  # fmt: skip
