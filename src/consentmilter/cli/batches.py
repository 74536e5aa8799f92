"""What an import was, as data."""

from typing import Any

from consentmilter.store.batches import Batch


def batch_data(batch: Batch) -> dict[str, Any]:
    return {
        "batch": batch.id,
        "file": batch.file,
        "actor": batch.actor,
        "started": batch.started.isoformat(),
        "finished": batch.finished.isoformat() if batch.finished else None,
        "undone": batch.undone.isoformat() if batch.undone else None,
    }
