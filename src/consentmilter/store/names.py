"""Addresses for suppressions that were made without one, written behind the mail path's back.

A click on a link tells only a subject key: a token holds no address. The next mail to that person does.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from consentmilter.store.background import Background
from consentmilter.store.databases import database
from consentmilter.store.schema import CORE, suppression


class Name(NamedTuple):
    """A subject key and the address that it stands for."""

    subject: bytes
    address: str


class Names(Background[Name]):
    """Fills in addresses where there are none; opens nothing before the first."""

    def __init__(
        self, url: str, key_checks: Mapping[str, bytes], on_trouble: Callable[[str], None], capacity: int = 1000
    ) -> None:
        behind = database(url).behind(CORE, key_checks, durable=True)
        nameless = sa.and_(suppression.c.subject == sa.bindparam("of"), suppression.c.address.is_(None))
        fill = sa.update(suppression).where(nameless).values(address=sa.bindparam("address"))
        super().__init__("filling in of addresses", behind, fill, _values, on_trouble=on_trouble, capacity=capacity)


def _values(name: Name) -> dict[str, Any]:
    return {"of": name.subject, "address": name.address}
