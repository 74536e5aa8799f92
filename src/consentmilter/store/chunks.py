"""Put many rows into the suppressions, or into partners' hash lists, a chunk in a few statements.

A row that stands already only ever gets stricter: it is marked as asserted again, and holds as long as the longer of
the two. `put` in `consentmilter.store.suppressions` is the same with one row, so there is one rule for all ways in.
How the rows get there is each database's own: see `consentmilter.store.sqlite.rows_in` and `postgres.rows_in`.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.postgres import rows_in as postgres
from consentmilter.store.ready import Written
from consentmilter.store.said import Columns
from consentmilter.store.sqlite import rows_in as sqlite
from consentmilter.store.values import Source, Values


async def put_rows(connection: AsyncConnection, source: Source, rows: Columns, written: Written | None = None) -> int:
    """Make or repeat the suppressions that the rows say, no two of one key, and return how many were made.

    A row that this batch itself made before is left as it is: it has not been asserted by anybody else. What is
    `written` says the same as the rows.
    """
    values = Values(source, rows)
    if connection.dialect.name == "sqlite":
        return await sqlite.put(connection, values)
    return await postgres.put(connection, values, written.copy if written else None)
