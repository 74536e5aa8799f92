"""What every part of the laboratory is: something that is started, and stopped at the end of a `with`."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Part(ABC):
    """A server or process. `stop` may be called at any time, also on what has only half started."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start it, and return once it serves."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it, and return once it is gone."""
