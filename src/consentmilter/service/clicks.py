"""Clicks of people who hold a link: opt out, and take exactly that click back.

Both return after commit, and do the same work whoever the person is and whatever stood before. Raises StoreError and
its kinds: then nothing has happened.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.model import Assertion, Reason, Suppression
from consentmilter.service.suppressions import Actor, Outcome, Random, assert_many
from consentmilter.store import entries, suppressions
from consentmilter.store.writer import Store

CLICK = Actor("", "click")


async def click(store: Store, subject: bytes, scopes: Sequence[str], *, evidence: str, at: datetime) -> Outcome:
    """Record that the subject opted out of these scopes at `at`, a whole second."""
    assertions = [Assertion(subject, None, scope, Reason.UNSUBSCRIBE, evidence=evidence) for scope in scopes]
    return await assert_many(store, assertions, CLICK, now=lambda: at)


async def take_back(
    store: Store,
    subject: bytes,
    scopes: Sequence[str],
    clicked: datetime,
    *,
    evidence: str,
    at: datetime,
    random: Random = secrets.token_bytes,
) -> list[Suppression]:
    """Lift what the click of that second made and nobody has asserted since, and return it; nothing else is touched."""

    async def job(connection: AsyncConnection) -> list[Suppression]:
        rows = [row for row in await suppressions.of_subjects(connection, [subject]) if _made_by(row, scopes, clicked)]
        for row in rows:
            await suppressions.remove(connection, row.subject, row.scope, row.reason)
            await entries.append(connection, _entry(row, evidence, at, random))
        return rows

    return await store.write(job)


def _made_by(row: Suppression, scopes: Sequence[str], clicked: datetime) -> bool:
    return (
        row.scope in scopes
        and row.reason is Reason.UNSUBSCRIBE
        and row.origin == CLICK.origin
        and row.created == clicked
        and not row.asserted_again
    )


def _entry(row: Suppression, evidence: str, at: datetime, random: Random) -> Entry:
    said = {"evidence": evidence, "created": row.created.isoformat()}
    proof = Evidence(random(SALT_OCTETS), said if row.address is None else said | {"address": row.address})
    return Entry(
        at, CLICK.name, CLICK.source, Action.LIFT,
        subject=row.subject, scope=row.scope, reason=row.reason, commitment=proof.commitment(), evidence=proof,
    )  # fmt: skip
