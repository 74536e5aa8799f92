"""A worker that believes too early that it gets no more connections: what the drain test must be able to find.

It puts a private listener over libmilter's descriptor like the real one, but neither interrupts a system call that
still waits on the listener before, nor waits for the proof that libmilter has gone past it.
"""

import os

from consentmilter.milter import listening, worker


class Credulous(listening.Listening):
    def stop(self) -> None:
        with listening._private_listener(self._family) as listener:
            os.dup2(listener.fileno(), self._descriptor, inheritable=False)
        self._put = True

    @property
    def stopping(self) -> bool:
        return hasattr(self, "_put")

    stopped = stopping


if __name__ == "__main__":
    vars(worker)["Listening"] = Credulous
    worker._process()
