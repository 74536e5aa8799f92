"""Triggers by which the database itself refuses to rewrite the ledger, from whatever speaks to it.

Personal fields may be blanked, since people have a right to it; the entry holds a commitment to what they were. With
the salt gone too, nobody can try out what it was.

With PostgreSQL a trigger also gives entries their turn: who appends waits for the transaction that appended before, so
that ids become visible in their order. `ledger_end` holds the last id that was given to an entry that was committed,
which SQLite has in `sqlite_sequence`; a sequence would not do, since it counts what was rolled back, too. Both run with
the rights of their owner: who may only append cannot touch it.
"""


def _sealed(table: str, key: str, name: str) -> tuple[str, ...]:
    # The third is for INSERT OR REPLACE, which deletes the old row without firing DELETE triggers
    # (sqlite.org/lang_conflict.html).
    refuse = f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
    known = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - names of ours
    return (
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {known} {refuse}",
    )


_REFUSE = "BEGIN SELECT RAISE(ABORT, 'evidence can only be blanked'); END"
_BLANKED = "NEW.ledger_id = OLD.ledger_id AND NEW.data = '{}' AND length(NEW.salt) = 0"

SQLITE = {
    "ledger": _sealed("ledger", "id", "the ledger"),
    "seal": _sealed("seal", "position", "the seal"),
    "ledger_evidence": (
        f"CREATE TRIGGER ledger_evidence_no_update BEFORE UPDATE ON ledger_evidence WHEN NOT ({_BLANKED}) {_REFUSE}",
        *_sealed("ledger_evidence", "ledger_id", "evidence")[1:],
    ),
}
"""SQLite's statements by table."""


def _refusing(table: str, cause: str, *, events: str = "UPDATE OR DELETE") -> tuple[str, ...]:
    # A TRUNCATE fires no trigger of rows (postgresql.org/docs/current/sql-createtrigger.html).
    refuse = f"EXECUTE FUNCTION ledger_refuse('{cause}')"
    return (
        f"CREATE TRIGGER {table}_no_change BEFORE {events} ON {table} FOR EACH ROW {refuse}",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refuse}",
    )


_FUNCTIONS = (
    """
    CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    "CREATE TABLE ledger_end (one boolean PRIMARY KEY DEFAULT true CHECK (one), id bigint NOT NULL)",
    "INSERT INTO ledger_end (id) VALUES (0)",
    """
    CREATE FUNCTION ledger_turn() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        PERFORM FROM ledger_end FOR UPDATE;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION ledger_given() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ DECLARE
        last bigint;
    BEGIN
        SELECT max(id) INTO last FROM added;
        UPDATE ledger_end SET id = last WHERE id < last;
        -- Ids that come with their entries, as in a copy, leave the sequence behind.
        IF last > (SELECT last_value FROM ledger_id_seq) THEN
            PERFORM setval('ledger_id_seq', last);
        END IF;
        RETURN NULL;
    END $$
    """,
    # With the rights of the owner they must find what is ours, and not what a caller put in its place.
    """
    DO $$ DECLARE
        path text := quote_ident(current_schema()) || ', pg_temp';
    BEGIN
        EXECUTE 'ALTER FUNCTION ledger_turn() SET search_path = ' || path;
        EXECUTE 'ALTER FUNCTION ledger_given() SET search_path = ' || path;
    END $$
    """,
)

POSTGRESQL = (
    *_FUNCTIONS,
    "CREATE TRIGGER ledger_turn BEFORE INSERT ON ledger FOR EACH STATEMENT EXECUTE FUNCTION ledger_turn()",
    """
    CREATE TRIGGER ledger_given AFTER INSERT ON ledger REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_given()
    """,
    *_refusing("ledger", "the ledger is append-only"),
    *_refusing("seal", "the seal is append-only"),
    *_refusing("ledger_evidence", "evidence is append-only", events="DELETE"),
    """
    CREATE TRIGGER ledger_evidence_no_update BEFORE UPDATE ON ledger_evidence FOR EACH ROW
    WHEN (NOT (NEW.ledger_id = OLD.ledger_id AND NEW.data::text = '{}' AND length(NEW.salt) = 0))
    EXECUTE FUNCTION ledger_refuse('evidence can only be blanked')
    """,
)
"""PostgreSQL's, for after the tables."""
