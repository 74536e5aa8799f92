"""What a database says of itself, apart from what it holds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replica:
    """A standby that is connected; what this role may not see is None."""

    name: str
    state: str | None
    sync: str | None


@dataclass(frozen=True, slots=True)
class Condition:
    """How a database is; `needs` are sentences about what somebody has to mend.

    `wal_octets` is None where a server keeps its WAL, and `replicas` where there can be none.
    """

    kind: str
    version: str
    octets: int
    wal_octets: int | None = None
    replicas: tuple[Replica, ...] | None = None
    needs: tuple[str, ...] = ()
