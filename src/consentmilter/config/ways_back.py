"""Faults of the addresses to which mail comes back: one that means two things, bounces that nobody takes. Pure."""

from collections.abc import Iterator

from consentmilter.config.schema import Config, UnsubscribeConfig
from consentmilter.config.source import KeyPath, Source

Fault = tuple[KeyPath, str]


def address_faults(config: Config) -> Iterator[Fault]:
    """Every address that stands in two places, and every stream whose bounces would come back to nobody."""
    meanings: dict[str, KeyPath] = {}
    for address, path in _addresses(config):
        first = meanings.setdefault(address, path)
        if first is not path:
            yield path, f"{address} is {Source.show(first)} already; an address means one thing"
    for name, part in config.streams.items():
        organisation = config.organisations.get(name.partition(".")[0])
        own = organisation.unsubscribe.bounce if organisation else None
        if part.verp and not (own or config.unsubscribe.bounce):
            yield ("streams", name, "verp"), "its bounces need an address: set unsubscribe.bounce"


def _addresses(config: Config) -> Iterator[tuple[str, KeyPath]]:
    yield from _of(config.unsubscribe, ())
    yield from ((address, ("privacy", "mail")) for address in config.privacy.mail)
    for name, part in config.organisations.items():
        yield from _of(part.unsubscribe, ("organisations", name))
        yield from ((address, ("organisations", name, "privacy")) for address in part.privacy)
    if config.milter.self_check:
        yield config.milter.self_check, ("milter", "self_check")


def _of(part: UnsubscribeConfig, path: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    for key, address in (("mailto", part.mailto), ("bounce", part.bounce)):
        if address:
            yield address, (*path, "unsubscribe", key)
