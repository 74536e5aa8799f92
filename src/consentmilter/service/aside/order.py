"""What the second process of an import is to do."""

from dataclasses import dataclass

from consentmilter.service.parsing import Job


@dataclass(frozen=True, slots=True)
class Part:
    """Some octets of a file, in front of which there are so many lines."""

    start: int
    end: int
    lines: int


@dataclass(frozen=True, slots=True)
class Order:
    """Which part of the file to read, if any, and how; files are descriptors that the process was started with.

    `spill` is for the rows that are read; `others` will have those that the import itself reads, which come first.
    """

    job: Job
    part: Part | None
    file: int
    spill: int
    others: int
