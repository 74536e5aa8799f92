"""A PostgreSQL with a hot standby that follows it by streaming replication.

    with Pair(directory, synchronous=True) as pair:
        pair.primary.make_database("consent")
        pair.fail_over()

Each pair is made anew; a killed primary does not come back as a standby. Raises `LabError` when one of the two does not
start or follow, or is not promoted in time.
"""

from pathlib import Path
from urllib.parse import quote

from lab.part import Part
from lab.postgres import FAST, USER, PostgreSql, program, run_as_user
from lab.process import wait_for

KEEPING = {**FAST, "synchronous_commit": "on"}
"""Without fsync: a killed process takes nothing of the kernel's with it.

A commit waits for a synchronous standby to have it, not to show it.
"""

PATIENCE = 60.0


class Standby(PostgreSql):
    """A copy of a running primary that goes on copying, until it is promoted."""

    def __init__(self, directory: Path, primary: PostgreSql) -> None:
        super().__init__(directory, settings={})
        self._primary = primary

    def make_cluster(self) -> None:
        self._own(self._directory)
        run_as_user(program("pg_basebackup"), "-D", self.data, "-d", self._primary.url("postgres"), "--no-sync",
                    "--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream")  # fmt: skip
        self.configure({})


class Pair(Part):
    """A primary and its standby; a commit on the primary waits for the standby if it is `synchronous`."""

    def __init__(self, directory: Path, *, synchronous: bool = False) -> None:
        self._directories = (directory / "primary", directory / "standby")
        self.primary = PostgreSql(self._directories[0], settings=KEEPING)
        self.standby = Standby(self._directories[1], self.primary)
        self._synchronous = synchronous

    def start(self) -> None:
        for directory in self._directories:
            directory.mkdir(mode=0o755)
        self.primary.start()
        self.standby.start()
        self._wait_until_replicating([("streaming", "async")])
        if self._synchronous:
            _set(self.primary, "synchronous_standby_names", "*")
            self._wait_until_replicating([("streaming", "sync")])

    def stop(self) -> None:
        self.standby.stop()
        self.primary.stop()

    def url(self, database: str, user: str = USER) -> str:
        """A store URL that names both, and asks for the one that can be written to."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (self.primary, self.standby))
        return f"postgresql://{user}@{hosts}/{quote(database)}?target_session_attrs=read-write"

    def part(self) -> None:
        """Let the standby get nothing any more, as where the network between the two is cut."""
        _set(self.standby, "primary_conninfo", "")
        self._wait_until_replicating([])

    def commit_waits(self) -> bool:
        """Whether a commit on the primary waits for the standby."""
        return bool(self.primary.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))

    def commit_alone(self) -> None:
        """Let the primary wait for no standby any more, waiting commits included."""
        _set(self.primary, "synchronous_standby_names", "")

    def fail_over(self) -> None:
        """Kill the primary, and make the standby the next one."""
        self.primary.crash()
        self.promote()

    def promote(self) -> None:
        """Make the standby a primary, and return once it takes changes."""
        self.standby.execute(f"SELECT pg_promote(true, {PATIENCE:.0f})")
        wait_for(self._takes_changes, "the promotion of the standby", timeout=PATIENCE)

    def _takes_changes(self) -> bool:
        return self.standby.execute("SELECT pg_is_in_recovery()") == [(False,)]

    def _wait_until_replicating(self, wanted: list[tuple[str, str]]) -> None:
        """Wait until these are the states of the primary's standbys."""
        query = "SELECT state, sync_state FROM pg_stat_replication"
        wait_for(lambda: self.primary.execute(query) == wanted, f"standbys that are {wanted}", timeout=PATIENCE)


def _set(server: PostgreSql, name: str, value: str) -> None:
    """Change a setting of a server that goes on."""
    server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    server.execute("SELECT pg_reload_conf()")
