"""What the list says of a person, in words and as data: suppressions, and the verdict for each stream."""

from collections.abc import Mapping
from typing import Any

from consentmilter.cli.output import printable
from consentmilter.hashes import LIST_ORIGIN
from consentmilter.model import Consent, ConsentState, Suppression, Verdict
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
        "opted_in": decision.consent.at.isoformat() if decision.opted_in and decision.consent else None,
        "reason": decision.reason,
        "scope": decision.scope,
        "since": decision.since.isoformat() if decision.since else None,
        "list": hash_list(row) if row else None,
    }


def decision_line(stream: Stream, decision: Decision) -> str:
    bypassed = f", bypassed: {stream.category.name} is exempt" if decision.bypassed else ""
    if decision.opted_in and decision.consent:
        bypassed = f", outdone by the opt-in confirmed on {decision.consent.at:%Y-%m-%d}"
    observed = "" if stream.enforced or decision.verdict is Verdict.ACCEPT else ", only observed"
    return f"{stream.name}: {decision.verdict}{_why(decision)}{bypassed}{observed}"


def consent_data(row: Consent, names: Mapping[bytes, str]) -> dict[str, Any]:
    """A consent, with what its key stands for."""
    return {
        "subject": names[row.subject],
        "stream": row.stream,
        "state": row.state,
        "basis": row.basis,
        "at": row.at.isoformat(),
        "confirmed": row.confirmed,
        "origin": row.origin,
        "batch": row.batch,
    }


def consent_line(row: Mapping[str, Any]) -> str:
    """A consent, of which `consent_data` was made."""
    confirmed = ", confirmed" if row["confirmed"] else ""
    basis = f" ({row['basis']})" if row["state"] == ConsentState.GRANTED else ""
    by = f"import {row['batch']}" if row["batch"] else row["origin"]
    what = f"{row['stream']} {row['state']} on {row['at'][:10]} by {printable(by)}"
    return f"{printable(row['subject'])}: {what}{basis}{confirmed}"


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
        "list": hash_list(row),
        "asserted_again": row.asserted_again,
    }


def hash_list(row: Suppression) -> str | None:
    """The hash list that the suppression stands on, if it does."""
    return row.origin.removeprefix(LIST_ORIGIN) if row.origin.startswith(LIST_ORIGIN) else None


def _why(decision: Decision) -> str:
    if decision.reason is None:
        return ""
    scope = f" in {decision.scope}" if decision.scope else ""
    since = f" since {decision.since:%Y-%m-%d}" if decision.since else ""
    listed = _by_list(decision.suppression) if decision.suppression else ""
    return f" ({decision.reason}{scope}{since}{listed})"


def _by_list(row: Suppression) -> str:
    name = hash_list(row)
    return f", on the hash list {printable(name)}" if name is not None else ""
