"""What the holder of a link can opt out of, and what still comes: streams of one sender, never of another. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from consentmilter.model import ALL, Reason
from consentmilter.policy.site import Organisation, Site, Stream
from consentmilter.service.targets import Target


@dataclass(frozen=True, slots=True)
class Offer:
    """The streams of the sender: those that an opt-out stops, and those that it does not.

    `everything` are the scopes that all of it means.
    """

    organisation: Organisation | None
    everything: tuple[str, ...]
    optional: tuple[Stream, ...]
    continuing: tuple[Stream, ...]

    def chosen(self, names: Collection[str]) -> list[Stream]:
        """The streams on offer that these names name; a name of anything else says nothing."""
        return [stream for stream in self.optional if stream.name in names]


def offer(target: Target, site: Site) -> Offer:
    """What the sender of the target has to offer."""
    sender = target.scope if target.scope == ALL else target.scope.partition(".")[0]
    streams = tuple(stream for stream in site.streams.values() if stream.name.partition(".")[0] == sender)
    return Offer(
        organisation=target.organisation,
        everything=(sender,),
        optional=tuple(stream for stream in streams if stops(stream)),
        continuing=tuple(stream for stream in streams if not stops(stream)),
    )


def stops(stream: Stream) -> bool:
    """Whether an opt-out stops the stream's mail: not if its category bypasses it."""
    return Reason.UNSUBSCRIBE not in stream.category.bypasses
