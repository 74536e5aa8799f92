"""What the list says of a person, in words and as data: suppressions, and the verdict for each stream."""

from collections.abc import Mapping
from typing import Any

from consentmilter.model import Suppression, Verdict
from consentmilter.policy.decide import Decision
from consentmilter.policy.site import Stream


def decision_data(stream: Stream, decision: Decision) -> dict[str, Any]:
    row = decision.suppression
    return {
        "stream": stream.name,
        "category": stream.category.name,
        "basis": stream.category.basis,
        "mode": stream.mode,
        "verdict": decision.verdict,
        "bypassed": decision.bypassed,
        "reason": row.reason if row else None,
        "scope": row.scope if row else None,
        "since": row.created.isoformat() if row else None,
    }


def decision_line(stream: Stream, decision: Decision) -> str:
    row = decision.suppression
    why = f" ({row.reason} in {row.scope} since {row.created:%Y-%m-%d})" if row else ""
    bypassed = f", bypassed: {stream.category.name} is exempt" if decision.bypassed else ""
    observed = "" if stream.enforced or decision.verdict is Verdict.ACCEPT else ", only observed"
    return f"{stream.name}: {decision.verdict}{why}{bypassed}{observed}"


def suppression_data(row: Suppression, names: Mapping[bytes, str]) -> dict[str, Any]:
    """A suppression; `names` says what its key stands for, since the store may hold no addresses."""
    return {
        "subject": names[row.subject],
        "scope": row.scope,
        "reason": row.reason,
        "since": row.created.isoformat(),
        "expires": row.expires.isoformat() if row.expires else None,
        "origin": row.origin,
        "batch": row.batch,
        "asserted_again": row.asserted_again,
    }
