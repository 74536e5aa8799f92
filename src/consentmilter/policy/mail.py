"""What the policy knows of a message: who hands it in, the envelope sender, and the header fields that matter."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

Client = IPv4Address | IPv6Address

SENDMAIL = "sendmail"
"""The listener name of mail that came by sendmail(1) or QMQP, which has no listener of its own."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who hands mail in, as far as it can be proven: SASL login, client address, listener."""

    login: str | None = None
    client: Client | None = None
    listener: str = ""
    non_smtp: bool = False

    def __str__(self) -> str:
        return self.login or str(self.client or self.listener)


@dataclass(frozen=True, slots=True)
class Header:
    """One header field; `name` in lower case, `value` as it arrived, unfolded only where it is read."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Headers:
    """The header fields of a message in their order, as far as the policy asked for them."""

    fields: tuple[Header, ...] = ()

    def values(self, name: str) -> list[str]:
        """Every value of a field (name in lower case), unfolded and trimmed."""
        return [" ".join(field.value.split()) for field in self.fields if field.name == name]

    def has(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)

    def count(self, name: str) -> int:
        return sum(field.name == name for field in self.fields)
