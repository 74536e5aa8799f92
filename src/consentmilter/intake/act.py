"""Carry out what was decided about a mail: the one place of the intake that changes anything, and the log of it.

Returns the reply once the change is committed. Raises StoreError and SubmissionError: then the mail server has to come
again, and will.
"""

from datetime import timedelta

from consentmilter import log
from consentmilter.intake.asking import ask, can_ask
from consentmilter.intake.decide import Ask, CountFailure, Decision, Ignore, Keep, NoteSignature, Refuse, Suppress
from consentmilter.intake.desk import Desk
from consentmilter.intake.mail import Mail
from consentmilter.model import Assertion, Reason, covers
from consentmilter.service import dkim_checks, reviewing, soft_bounces
from consentmilter.service.soft_bounces import Patience
from consentmilter.service.submission import SubmissionError
from consentmilter.service.suppressions import Actor, assert_one, held
from consentmilter.store.dkim_checks import DkimCheck
from consentmilter.store.reviews import Review

DONE = "250 2.0.0 done"
KEPT = "250 2.0.0 kept for somebody to read"
REFUSED = "554 5.6.0 this mail cannot be processed; please write again, from your own address and in plain text"
NOT_ASKED = "554 5.7.1 the request cannot be confirmed, since mail to the address in From is refused"

COPY_LIFETIME = timedelta(days=7)
"""A copy older than that says nothing about what leaves the system now."""


async def act(desk: Desk, decision: Decision, mail: Mail | None, ref: str) -> str:
    """Do it, and return the reply to the mail server."""
    match decision:
        case Suppress():
            await _suppress(desk, decision, ref)
        case CountFailure():
            await _count(desk, decision, ref)
        case Ask():
            assert mail is not None  # nobody is asked about a mail that cannot be read
            return await _ask(desk, decision, mail, ref)
        case Keep():
            return await _keep(desk, decision, ref)
        case NoteSignature():
            await _note(desk, decision, ref)
        case Ignore(cause):
            log.get().info("mail_ignored", ref=ref, cause=cause)
        case Refuse(cause):
            log.get().info("mail_refused", ref=ref, cause=cause)
            return REFUSED
    return DONE


async def _suppress(desk: Desk, decision: Suppress, ref: str) -> None:
    address = decision.address if desk.config.privacy.store_addresses else None
    said = Assertion(decision.subject, address, decision.scope, decision.reason, evidence=decision.evidence)
    outcome = await assert_one(desk.store, said, Actor("", decision.source), now=desk.now)
    log.get().info(
        "opted_out",
        ref=ref,
        source=decision.source,
        scope=decision.scope,
        reason=decision.reason,
        subject=decision.subject.hex(),
        new=outcome.new > 0,
        **({"address": decision.address} if decision.address and desk.config.log.addresses else {}),
    )


async def _count(desk: Desk, decision: CountFailure, ref: str) -> None:
    subject, scope, status = decision.subject, decision.scope, decision.status
    patience = Patience(desk.config.intake.soft_bounces, desk.config.intake.soft_bounce_window)
    days = await soft_bounces.count(desk.store, subject, scope, desk.now(), patience)
    log.get().info("soft_bounce", ref=ref, scope=scope, subject=subject.hex(), status=status, days=days)
    if days >= patience.days:
        evidence = f"delivery failed on {days} days, the last time with {status}"
        await _suppress(desk, Suppress(subject, scope, Reason.HARD_BOUNCE, "bounce", evidence), ref)


async def _ask(desk: Desk, decision: Ask, mail: Mail, ref: str) -> str:
    person, scope = decision.person, decision.scope
    if desk.doors.of(person.address) is not None:
        return _passed_over(ref, "own address")
    rows = await held(desk.store, [person.subject])
    if any(covers(row.scope, scope) and row.holds(desk.now()) for row in rows):
        return _passed_over(ref, "opted out already")
    if not can_ask(desk, scope):
        return await _keep(desk, Keep(person, scope, "unproven", mail.words), ref)
    try:
        if not await ask(desk, person, scope, mail):
            return _passed_over(ref, "asked within a day already")
    except SubmissionError as error:
        log.get().warning("confirmation_failed", ref=ref, scope=scope, subject=person.subject.hex(), cause=str(error))
        if not error.permanent:
            raise
        return NOT_ASKED
    log.get().info(
        "confirmation_sent",
        ref=ref,
        scope=scope,
        subject=person.subject.hex(),
        **({"address": person.address} if desk.config.log.addresses else {}),
    )
    return DONE


def _passed_over(ref: str, cause: str) -> str:
    log.get().info("mail_ignored", ref=ref, cause=cause)
    return DONE


async def _keep(desk: Desk, decision: Keep, ref: str) -> str:
    person = decision.person
    address = person.address if desk.config.privacy.store_addresses else None
    item = Review(
        reviewing.new_id(), desk.now(), decision.kind, decision.scope, person.subject, address, decision.words
    )
    kept = await reviewing.keep(desk.store, item)
    subject = kept.subject.hex()
    log.get().info("kept_for_review", ref=ref, id=kept.id, kind=kept.kind, scope=kept.scope, subject=subject)
    return KEPT


async def _note(desk: Desk, decision: NoteSignature, ref: str) -> None:
    now, missing = desk.now(), ", ".join(decision.missing)
    if now.date() - decision.token.issued > COPY_LIFETIME:
        log.get().info("mail_ignored", ref=ref, cause="old copy")
        return
    detail = f"not covered: {missing}" if missing else "covered"
    await dkim_checks.note(desk.store, DkimCheck(decision.stream, now, not missing, detail))
    if missing:
        log.get().warning("dkim_uncovered", ref=ref, stream=decision.stream, fields=missing)
    else:
        log.get().info("dkim_covered", ref=ref, stream=decision.stream)
