"""Calls that change the list: opt-outs come in, one or many, and are lifted with evidence.

An answer is given after the commit. What is added is answered alike whether or not it stood already: a token that is
good for adding only cannot be used to ask who is on the list.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from consentmilter import log
from consentmilter.model import Assertion, Reason, Suppression
from consentmilter.service.suppressions import assert_many, lift_many
from consentmilter.subjects import Subject
from consentmilter.web.api.answers import BatchRecorded, LiftedSuppression, Recorded, Removed
from consentmilter.web.api.calls import Call, M
from consentmilter.web.api.evidence import text_of
from consentmilter.web.api.messages import Addition, Batch, Removal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_log = log.get()


async def add(call: Call[Addition]) -> Recorded:
    """Record that somebody opted out."""
    [subject] = await _assert(call, {"": call.message})
    return Recorded(subject=subject.text, scope=call.message.scope, reason=call.message.reason.reason)


async def add_batch(call: Call[Batch]) -> BatchRecorded:
    """Record that several opted out, all of them or none."""
    items = {f"items.{number}.": item for number, item in enumerate(call.message.items)}
    return BatchRecorded(recorded=len(await _assert(call, items)))


async def remove(call: Call[Removal]) -> Removed:
    """Lift what stands for exactly this person or domain in exactly this scope."""
    said = call.message
    call.caller.require_scope(said.scope)
    names = {each.key: each for each in call.own_subjects(said)}
    rows = await lift_many(
        call.context.store, list(names), said.scope, said.reason,
        evidence=text_of(said.evidence) or "", actor=call.actor, now=call.context.now,
    )  # fmt: skip
    for row in rows:
        _logged("api_removed", call, names[row.subject], row.scope, row.reason)
    return Removed(lifted=[_lifted(row, names[row.subject].text) for row in rows])


async def _assert(call: Call[M], items: Mapping[str, Addition]) -> list[Subject]:
    """Record what the items say in one transaction; each stands under its place in the body."""
    known = call.context.site.scopes()
    for where, item in items.items():
        call.scope(item.scope, known, f"{where}scope")
    subjects = {where: call.subject(item, where) for where, item in items.items()}
    assertions = [_assertion(call, item, subjects[where]) for where, item in items.items()]
    await assert_many(call.context.store, assertions, call.actor, now=call.context.now)
    for item, subject in zip(items.values(), subjects.values(), strict=True):
        _logged("api_added", call, subject, item.scope, item.reason.reason)
    return list(subjects.values())


def _assertion(call: Call[M], item: Addition, subject: Subject) -> Assertion:
    stored = call.context.config.privacy.store_addresses
    return Assertion(
        subject.key,
        subject.text if stored else None,
        item.scope,
        item.reason.reason,
        at=None if item.at is None else _possible(item.at, call.context.now()),
        evidence=text_of(item.evidence),
    )


def _possible(at: datetime, now: datetime) -> datetime:
    """The time as it can have been: a clock that is wrong must not cost somebody the opt-out."""
    return max(_EPOCH, min(at, now))


def _lifted(row: Suppression, name: str) -> LiftedSuppression:
    return LiftedSuppression(subject=name, scope=row.scope, reason=row.reason, since=row.created)


def _logged(event: str, call: Call[M], subject: Subject, scope: str, reason: Reason) -> None:
    address = {"address": subject.text} if call.context.config.log.addresses else {}
    _log.info(
        event, request=call.request, token=call.caller.name, subject=subject.key.hex(), scope=scope, reason=str(reason),
        **address,
    )  # fmt: skip
