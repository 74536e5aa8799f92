"""Statements about the names of streams, which are kept for the links that are out."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.dialect import upsert
from consentmilter.store.rows import seconds
from consentmilter.store.schema import stream_name


async def all_names(connection: AsyncConnection) -> dict[bytes, str]:
    """Every name by its hash."""
    rows = await connection.execute(sa.select(stream_name.c.hash, stream_name.c.name))
    return {row.hash: row.name for row in rows}


async def add(connection: AsyncConnection, names: Mapping[bytes, str], at: datetime) -> None:
    """Write names down; a hash that is there already keeps its name."""
    rows = [{"hash": hashed, "name": name, "first_seen": seconds(at)} for hashed, name in names.items()]
    await connection.execute(upsert(stream_name).on_conflict_do_nothing(), rows)
