"""A web process that closes idle connections as soon as it drains, as uvicorn's own server does.

A request that is on its way into one of them then gets no answer: what the drain test must be able to find.
"""

from consentmilter.serving import process
from consentmilter.web import child, listening


class Hasty(listening.Listening):
    async def close(self) -> None:
        await super().close()
        for connection in list(self._state.connections):
            connection.shutdown()


if __name__ == "__main__":
    vars(child)["Listening"] = Hasty
    process(child.main)
