"""A message in Postfix's queue, as `postqueue -j` prints it (postqueue(1), JSON object format)."""

import json
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One queued message: which queue it is in, for whom, and why it has not left."""

    queue: str
    id: str
    size: int
    sender: str
    recipients: tuple[str, ...]
    delays: tuple[str, ...]

    @classmethod
    def parse(cls, line: str) -> Self:
        entry = json.loads(line)
        recipients = entry["recipients"]
        return cls(
            queue=entry["queue_name"],
            id=entry["queue_id"],
            size=entry["message_size"],
            sender=entry["sender"],
            recipients=tuple(recipient["address"] for recipient in recipients),
            delays=tuple(recipient.get("delay_reason", "") for recipient in recipients),
        )
