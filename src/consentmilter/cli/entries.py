"""An entry of the ledger in words and as data."""

from typing import Any

from consentmilter.cli.output import printable
from consentmilter.ledger import Entry
from consentmilter.service.replay import erased


def entry_data(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "action": entry.action,
        "subject": entry.subject.hex() if entry.subject else None,
        "scope": entry.scope,
        "reason": entry.reason,
        "actor": entry.actor,
        "source": entry.source,
        "batch": entry.batch,
        "count": entry.count,
        "digest": entry.digest.hex() if entry.digest else None,
        "evidence": dict(entry.evidence.data) if entry.evidence else None,
        "erased": erased(entry),
    }


def entry_line(entry: Entry) -> str:
    said = entry.evidence.data if entry.evidence else {}
    where = " in ".join(str(part) for part in (entry.reason, entry.scope) if part is not None)
    who = said.get("address") or (entry.subject.hex() if entry.subject else "")
    by = f"{entry.source}:{entry.actor}" if entry.actor else entry.source
    parts = [
        f"{entry.id}  {entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.action}",
        where,
        f"for {who}" if who else "",
        f"of {entry.count} rows" if entry.digest is not None and entry.count != 1 else "",
        f"by {by}",
        f"import {entry.batch}" if entry.batch else "",
        "(erased)" if erased(entry) else "",
    ]
    evidence = f": {said['evidence']}" if said.get("evidence") else ""
    return printable(f"{' '.join(filter(None, parts))}{evidence}")
