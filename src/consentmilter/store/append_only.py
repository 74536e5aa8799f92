"""Triggers by which the database itself refuses to rewrite the ledger, from whatever holds the file.

Personal fields may be blanked, since people have a right to it; the entry holds a commitment to what they were. With
the salt gone too, nobody can try out what it was.
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
"""The statements by table."""
