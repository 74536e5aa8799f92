"""A post: a place that one child fills for as long as it is wanted.

A child that dies is followed by another, at once if it had lived, after a growing pause if it died young. Dismissed,
the post drains its child, and kills it only if it outlives the drain. Raises nothing.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from consentmilter import log
from consentmilter.control import Configure, Ready, Refused, Reload, Reloaded
from consentmilter.supervisor.child import Child, Role

_log = log.get()

YOUNG = 30.0
"""A child that dies earlier than so many seconds after its start probably dies of something that will last."""
MAX_PAUSE = 30.0
READY_WITHIN = 60.0
"""A child that has not said within this time that it serves, or that it cannot, is given up."""
ANSWER_WITHIN = 60.0
FLUSH = 5.0
"""What a child may take beyond its drain to flush and leave, before it is killed."""


class State(Enum):
    """How the post is filled."""

    STARTING = auto()
    READY = auto()
    REFUSED = auto()
    """The last child said that it cannot work; `Post.reason` says why. Another will try after a pause."""
    DIED = auto()
    GONE = auto()
    """Nobody is there, and nobody will be."""


def pause_after(failures: int) -> float:
    """How long to wait before a post is filled again after so many young deaths in a row: 1, 2, 4 … 30 seconds."""
    return min(MAX_PAUSE, 2.0 ** min(failures - 1, 10)) if failures else 0.0


class Post:
    """Keeps one child of `role` running; `configure` gives the configuration of each new one."""

    def __init__(self, role: Role, configure: Callable[[], Configure]) -> None:
        self._role = role
        self._configure = configure
        self._child: Child | None = None
        self._dismissed = asyncio.Event()
        self._drain = 0.0
        self._killing: asyncio.TimerHandle | None = None
        self._changes: list[asyncio.Future[None]] = []
        self.state = State.STARTING
        self.reason = ""
        self.config = ""
        """The configuration that the child has, or is starting with."""
        self._task = asyncio.create_task(self._keep())

    async def until(self, *states: State) -> State:
        """Wait until it is in one of `states`; which."""
        while self.state not in states:
            change = asyncio.get_running_loop().create_future()
            self._changes.append(change)
            await change
        return self.state

    async def reload(self, order: Reload) -> Reloaded | Refused | None:
        """Give the child another configuration; None if there is no child or it does not answer."""
        if self._child is None:
            return None
        try:
            answer = await asyncio.wait_for(self._child.reload(order), ANSWER_WITHIN)
        except TimeoutError:
            answer = None
        if isinstance(answer, Reloaded):
            self.config = order.config
        return answer

    def dismiss(self, seconds: float) -> None:
        """Drain the child, and fill the post no more. Said again, it shortens the drain."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + seconds + FLUSH
        self._drain = seconds
        self._dismissed.set()
        if self._child is not None:
            self._child.drain(seconds)
        if self._killing is None or latest < self._killing.when():
            if self._killing is not None:
                self._killing.cancel()
            self._killing = loop.call_at(latest, self._kill)

    async def gone(self) -> None:
        """Wait until the child has left for good."""
        await asyncio.shield(self._task)

    @property
    def pid(self) -> int | None:
        """The child's process id, if there is a child."""
        return None if self._child is None else self._child.pid

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._dismissed.is_set():
            self._become(State.STARTING)
            born = loop.time()
            served = await self._fill()
            failures = 0 if served and loop.time() - born >= YOUNG else failures + 1
            await self._rest(pause_after(failures))
        if self._killing is not None:
            self._killing.cancel()
        self._become(State.GONE)

    async def _fill(self) -> bool:
        """One child from its start to its end; whether it ever served."""
        try:
            child = await Child.start(self._role)
        except OSError as error:
            _log.error("child_not_started", role=self._role.name, error=str(error))
            self._become(State.DIED)
            return False
        _log.info("child_started", role=self._role.name, pid=child.pid)
        # Nothing is awaited between here and the next three lines: a reload either finds the child or changes what
        # it is configured with.
        self._child = child
        configure = self._configure()
        self.config = configure.config
        child.configure(configure)
        if self._dismissed.is_set():
            child.drain(self._drain)
        word = await self._first_word(child)
        code = await child.exit()
        self._child = None
        self._report(child, code, word)
        return isinstance(word, Ready)

    async def _first_word(self, child: Child) -> Ready | Refused | None:
        try:
            word = await asyncio.wait_for(child.ready(), READY_WITHIN)
        except TimeoutError:
            _log.error("child_not_ready", role=self._role.name, pid=child.pid, within=READY_WITHIN)
            child.kill()  # it has no session to lose
            return None
        if isinstance(word, Ready):
            _log.info("child_ready", role=self._role.name, pid=child.pid)
            self._become(State.READY)
        return word

    def _report(self, child: Child, code: int, word: Ready | Refused | None) -> None:
        about: dict[str, str | int] = {"role": self._role.name, "pid": child.pid}
        if isinstance(word, Refused):
            self.reason = word.reason
            _log.error("child_refused", **about, reason=word.reason)
            self._become(State.REFUSED)
            return
        if self._dismissed.is_set() and code == 0:
            _log.info("child_left", **about, cut=child.cut)
        else:
            how = {"signal": -code} if code < 0 else {"code": code}
            _log.error("child_died", **about, **how)
        self._become(State.DIED)

    async def _rest(self, pause: float) -> None:
        if self._dismissed.is_set() or not pause:
            return
        _log.info("child_restarts", role=self._role.name, seconds=pause)
        try:
            await asyncio.wait_for(self._dismissed.wait(), pause)
        except TimeoutError:
            return

    def _kill(self) -> None:
        if self._child is not None:
            _log.error("child_killed", role=self._role.name, pid=self._child.pid)
            self._child.kill()

    def _become(self, state: State) -> None:
        self.state = state
        changes, self._changes = self._changes, []
        for change in changes:
            if not change.done():
                change.set_result(None)
