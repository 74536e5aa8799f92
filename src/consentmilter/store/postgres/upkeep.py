"""How a server keeps a database, and what is said instead of a copy of it. What the driver raises goes through."""

from typing import NoReturn

import sqlalchemy as sa

from consentmilter.errors import UsageError
from consentmilter.store.condition import Condition, Replica

_SETTINGS = sa.text(
    "SELECT current_setting('server_version'), pg_database_size(current_database()), current_setting('fsync'), "
    "current_setting('synchronous_commit'), current_setting('synchronous_standby_names')"
)

_REPLICAS = sa.text(
    "SELECT coalesce(application_name, '?'), state, sync_state FROM pg_stat_replication ORDER BY application_name"
)
"""State and kind are null for a role that may not see them (PostgreSQL, the view pg_stat_replication)."""

_SYNCHRONOUS = {"sync", "quorum"}


def condition(connection: sa.Connection) -> Condition:
    """How the database is that the connection reads."""
    version, octets, fsync, commit, names = connection.execute(_SETTINGS).one()
    replicas = tuple(Replica(*row) for row in connection.execute(_REPLICAS))
    needs = []
    if fsync == "off":
        needs.append("fsync is off: a crash of the machine can damage the database; switch it on in postgresql.conf")
    if commit == "off":
        needs.append("synchronous_commit is off: a crash of the server can lose opt-outs that were acknowledged")
    if names and not any(replica.sync is None or replica.sync in _SYNCHRONOUS for replica in replicas):
        needs.append("synchronous_standby_names is set and no such standby is connected: every change waits for one")
    return Condition("PostgreSQL", version, octets, replicas=replicas, needs=tuple(needs))


def back_up(name: str) -> NoReturn:
    """Say what to use: a dump of a server is its own tools' work."""
    raise UsageError(f"PostgreSQL makes its own backups: pg_dump --format=custom --file=FILE '{name}'")
