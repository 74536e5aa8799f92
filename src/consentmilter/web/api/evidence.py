"""What callers say of how something is known, as the ledger keeps it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import fields

from consentmilter.service.consents import Proof

_KNOWN = tuple(field.name for field in fields(Proof) if field.name != "evidence")


def text_of(said: Mapping[str, str]) -> str | None:
    """All of it as one text."""
    return json.dumps(dict(said), sort_keys=True, ensure_ascii=False) if said else None


def proof_of(said: Mapping[str, str]) -> Proof:
    """The same for a consent, which has fields of its own for some of it."""
    known = {name: said[name] for name in _KNOWN if name in said}
    return Proof(evidence=text_of({name: text for name, text in said.items() if name not in known}), **known)
