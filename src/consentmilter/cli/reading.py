"""The store as the milter sees it, for commands that only ask."""

from consentmilter.cli.site import Command
from consentmilter.store.reader import Reader


def reader(command: Command) -> Reader:
    return Reader(command.config.store.url, command.ring.checks(), command.config.milter.deadline)
