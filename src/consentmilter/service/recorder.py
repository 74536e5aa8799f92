"""Tell the log and the journal what was decided: every decision to the log, all but plain accepts to the journal.

The log names people by key, and addresses only where the site asks for it. The subject of a message is never seen.
"""

from collections.abc import Callable
from datetime import datetime

from consentmilter import log
from consentmilter.service.desk import Record
from consentmilter.store.journal import JournalRow

_ORDINARY = frozenset({"several_recipients"})
"""Notices that call for no action."""


class Recorder:
    """Where a desk's records and notices go."""

    def __init__(
        self,
        journal: Callable[[JournalRow], None],
        now: Callable[[], datetime],
        *,
        addresses: bool,
        name: Callable[[bytes, str], None] | None = None,
        count: Callable[[Record], None] | None = None,
    ) -> None:
        """Take `name` for what fills in addresses, where they may be stored, and `count` for what counts exemptions."""
        self._journal = journal
        self._name = name
        self._count = count
        self._now = now
        self._addresses = addresses
        self._log = log.get().bind()  # once: the unbound logger is put together anew at each call

    def record(self, record: Record) -> None:
        """Log one decision, and journal it if there is anything to tell."""
        tell = self._log.debug if record.plain and record.stream is None else self._log.info
        tell("decision", **self._fields(record))
        if not record.plain:
            self._journal(self._row(record))
        if record.nameless and self._name is not None:
            self._name(record.subject, record.recipient)
        if self._count is not None:
            self._count(record)

    def notice(self, event: str, **fields: object) -> None:
        """Log what concerns a whole message."""
        tell = self._log.info if event in _ORDINARY else self._log.warning
        tell(event, **_without_nothing(fields))

    def _fields(self, record: Record) -> dict[str, object]:
        principal = record.principal
        fields: dict[str, object] = {
            "ref": record.ref,
            "queue_id": record.queue_id,
            "login": principal.login,
            "client": str(principal.client) if principal.client else None,
            "listener": principal.listener or None,
            "stream": record.stream,
            "category": record.category,
            "verdict": record.verdict,
            "reason": record.reason,
            "bypassed": record.bypassed or None,
            "opted_in": record.opted_in or None,
            "scope": record.scope,
            "rule": record.rule,
            "right": record.right or None,
            "false_claim": record.false_claim,
            "stage": record.stage if record.stage != "only" else None,
            "subject": record.subject.hex(),
        }
        if self._addresses:
            fields |= {"sender": record.sender.strip("<>"), "recipient": record.recipient.strip("<>")}
        return _without_nothing(fields)

    def _row(self, record: Record) -> JournalRow:
        passed = "bypassed" if record.bypassed else "opted in" if record.opted_in else None
        detail = f"claimed {record.false_claim}" if record.false_claim else passed
        return JournalRow(
            at=self._now(),
            ref=record.ref,
            queue_id=record.queue_id,
            login=record.principal.login,
            client=str(record.principal.client) if record.principal.client else None,
            listener=record.principal.listener or None,
            stream=record.stream,
            category=record.category,
            subject=record.subject,
            verdict=record.verdict,
            reason=record.reason,
            scope=record.scope,
            mode=record.mode,
            detail=detail,
        )


def _without_nothing(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
