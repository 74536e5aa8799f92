"""Statements about consents, each within a transaction of the caller's. What a statement changes, policy says."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.model import Consent, ConsentState
from consentmilter.policy.facts import Facts
from consentmilter.store.dialect import upsert
from consentmilter.store.rows import seconds, to_consent
from consentmilter.store.schema import consent
from consentmilter.store.standing import facts_by_key, to_facts

_KEYS_AT_ONCE = 500

_OF_SUBJECTS = sa.select(consent).where(consent.c.subject.in_(sa.bindparam("subjects", expanding=True)))
_FACTS = facts_by_key(sa.bindparam("subjects", expanding=True), sa.bindparam("subjects", expanding=True))


async def of_subjects(connection: AsyncConnection, subjects: Iterable[bytes]) -> list[Consent]:
    """Every consent of these subjects, in key order within each 500 of them."""
    distinct = list(dict.fromkeys(subjects))
    found: list[Consent] = []
    for start in range(0, len(distinct), _KEYS_AT_ONCE):
        chosen = {"subjects": distinct[start : start + _KEYS_AT_ONCE]}
        rows = await connection.execute(_OF_SUBJECTS.order_by(*consent.primary_key), chosen)
        found.extend(map(to_consent, rows))
    return found


async def facts(connection: AsyncConnection, keys: Sequence[bytes]) -> Facts:
    """What stands of one person, whose keys and digests these are."""
    return to_facts(await connection.execute(_FACTS, {"subjects": list(keys)}))


async def came_with(connection: AsyncConnection, batch: str) -> bool:
    """Whether any consent stands that an import made."""
    return await connection.scalar(sa.select(consent.c.subject).where(consent.c.batch == batch).limit(1)) is not None


async def put(connection: AsyncConnection, rows: Sequence[Consent]) -> None:
    """Have these consents stand, in place of what stood of the same person and stream.

    A withdrawal stays whatever comes, but for a later grant: two nodes may each write what the other has not seen.
    """
    if not rows:
        return
    insert = upsert(consent)
    new = insert.excluded
    kept = sa.and_(consent.c.state == ConsentState.WITHDRAWN.value, consent.c.at >= new.at)
    values = {column.name: new[column.name] for column in consent.c if not column.primary_key}
    statement = insert.on_conflict_do_update(
        index_elements=list(consent.primary_key),
        set_=values,
        where=sa.or_(new.state == ConsentState.WITHDRAWN.value, sa.not_(kept)),
    )
    await connection.execute(statement, [_values(row) for row in rows])


def _values(row: Consent) -> dict[str, object]:
    return {
        "subject": row.subject,
        "stream": row.stream,
        "state": row.state.value,
        "basis": row.basis.value,
        "at": seconds(row.at),
        "confirmed": row.confirmed,
        "origin": row.origin,
        "batch": row.batch,
        "address": row.address,
    }
