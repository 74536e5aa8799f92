"""What the stream hash in a token means: the scope that its holder opts out of, also long after the stream is gone.

Raises `StoreSetupError` for a stream whose hash another one had before, and the store's errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from consentmilter.errors import StoreSetupError
from consentmilter.model import ALL
from consentmilter.policy.site import Organisation, Site, Stream
from consentmilter.store import stream_names
from consentmilter.store.writer import Store
from consentmilter.tokens import stream_hash


@dataclass(frozen=True, slots=True)
class Target:
    """What is opted out of. `stream` and `organisation` are None where they are not, or no longer, set up."""

    scope: str
    stream: Stream | None = None
    organisation: Organisation | None = None


class Targets:
    """The targets of a site; made by `open_targets`."""

    def __init__(self, site: Site, names: Mapping[bytes, str]) -> None:
        self._site = site
        # Links that ask for confirmation name organisations and everything as well.
        self._names = {stream_hash(name): name for name in (*self._owners(), ALL)} | dict(names)

    def of_hash(self, hashed: bytes) -> Target:
        """The target of a token: its stream, else the organisation that the stream was of, else as for no name."""
        name = self._names.get(hashed)
        return self.of_name(name) if name is not None else self.of_nobody()

    def knows(self, name: str) -> bool:
        """Whether there is, or ever was, a stream or an organisation of this name."""
        return stream_hash(name) in self._names

    def of_name(self, name: str) -> Target:
        """The target of a stream's name."""
        stream = self._site.streams.get(name)
        owner = name.partition(".")[0]
        organisation = self._site.organisations.get(owner)
        if stream is not None:
            return Target(name, stream, organisation)
        return self.of_organisation(owner) if owner in self._owners() else Target(owner)

    def of_organisation(self, name: str) -> Target:
        """The target of everything that one organisation sends."""
        return Target(name, self._site.streams.get(name), self._site.organisations.get(name))

    def of_nobody(self) -> Target:
        """The target where nothing is named: the only organisation, else everything."""
        owners = self._owners()
        return self.of_organisation(min(owners)) if len(owners) == 1 else Target(ALL)

    def _owners(self) -> set[str]:
        """Every organisation that has a stream or is set up, the built-in streams aside."""
        own = {name.partition(".")[0] for name in self._site.streams if "." in name}
        return own | set(self._site.organisations)


async def open_targets(store: Store, site: Site) -> Targets:
    """Write down the site's streams, so that their links outlive them, and read all that there ever were."""
    mine = {stream_hash(name): name for name in site.streams}
    known = await store.read(stream_names.all_names)
    for hashed in mine.keys() & known.keys():
        if mine[hashed] != known[hashed]:
            raise StoreSetupError(
                f"the stream {mine[hashed]} has the token hash of {known[hashed]}, of which links are out: "
                "give it another name"
            )
    new = {hashed: name for hashed, name in mine.items() if hashed not in known}
    if new:
        await store.write(lambda connection: stream_names.add(connection, new, datetime.now(UTC)))
    return Targets(site, {**known, **mine})
