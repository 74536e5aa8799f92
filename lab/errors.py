"""The errors that the laboratory raises on purpose."""


class LabError(Exception):
    """A part of the laboratory could not be started, or did not do what it was asked."""


class MilterGoneError(LabError):
    """The milter closed the connection instead of answering."""
