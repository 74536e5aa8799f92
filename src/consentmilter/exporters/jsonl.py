"""JSON lines, lossless: an entry with all that the store knows of it, and a change. docs/export.md has the keys.

ASCII throughout, so that no text, whatever is in it, can end a line or be taken for another.
"""

import json
from collections.abc import Mapping

from consentmilter.exporters.rows import Hashed, Row, is_address, stamp


def entry(row: Row, key: str) -> str:
    """One entry; `key` says with which subject key an entry without an address was made."""
    common = {
        "scope": row.scope,
        "reason": row.reason,
        "origin": row.origin,
        "created": stamp(row.created),
        "expires": None if row.expires is None else stamp(row.expires),
        "batch": row.batch,
        "asserted_again": row.asserted_again,
    }
    if isinstance(row, Hashed):
        return line({"digest": row.digest.hex(), **common, "list": row.list})
    if row.address is None:
        return line({"subject": row.subject.hex(), **common, "key": key})
    return line({"email" if is_address(row.address) else "domain": row.address, **common})


def line(data: Mapping[str, object]) -> str:
    """An object as a line."""
    return json.dumps(data, ensure_ascii=True) + "\n"
