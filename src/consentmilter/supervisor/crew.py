"""The crew: all posts of one role, and what is done to them as one: start, reload, resize, replace, drain.

Raises `ChildError` if the first children of a crew that must serve say that they cannot work.
"""

import asyncio
import itertools

from consentmilter import log
from consentmilter.control import Configure, Refused, Reload, Reloaded
from consentmilter.errors import ChildError
from consentmilter.supervisor.child import Role
from consentmilter.supervisor.post import Post, State

_log = log.get()


class Crew:
    """Some children of `role`, which start with `configure` until a reload brings another."""

    def __init__(self, role: Role, configure: Configure) -> None:
        self._role = role
        self._configure = configure
        self._posts: list[Post] = []
        self._leaving: set[Post] = set()
        self._farewells: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._at_most: float | None = None

    def open(self, size: int) -> None:
        """Begin to fill `size` posts."""
        for _ in range(size):
            self._open()

    async def serves(self) -> None:
        """Wait until every child serves; those that die are followed by others meanwhile."""
        for post in self._posts:
            if await post.until(State.READY, State.REFUSED) == State.REFUSED:
                raise ChildError(post.reason)

    async def settles(self) -> None:
        """Wait until every child serves, or has failed once: others will try again after it."""
        for post in self._posts:
            await post.until(State.READY, State.REFUSED, State.DIED)

    async def reload(self, configure: Configure) -> bool:
        """Offer every child another configuration; whether it is the crew's from now on.

        It is if any child took it, or if there was none to ask. Those that refuse keep the one before.
        """
        answers = await self._offer(self._posts, configure)
        kinds = {type(answer) for answer in answers.values()}
        if Refused in kinds and Reloaded not in kinds:
            return False
        self._configure = configure
        # Whoever started while the others were asked has the configuration before.
        await self._offer([post for post in self._posts if _behind(post, configure, answers.get(post))], configure)
        return True

    async def resize(self, size: int) -> None:
        """Open posts or dismiss some; waits until new children serve or fail."""
        while len(self._posts) > size:
            self._dismiss(self._posts.pop(), self._configure.drain)
        opened = [self._open() for _ in range(size - len(self._posts))]
        for post in opened:
            await post.until(State.READY, State.REFUSED, State.DIED)

    async def replace(self) -> bool:
        """Replace every child, one after the other: the old one drains once the new one serves.

        Stops at the first new child that does not come to serve, and keeps the old ones that are left; whether it went
        through.
        """
        for old in list(self._posts):
            new = self._open()
            if await new.until(State.READY, State.REFUSED, State.DIED) != State.READY:
                self._posts.remove(new)
                self._dismiss(new, 0.0)
                return False
            self._posts.remove(old)
            self._dismiss(old, self._configure.drain)
        return True

    async def drain(self) -> None:
        """Dismiss all, and wait until the last has left."""
        while self._posts:
            self._dismiss(self._posts.pop(), self._configure.drain)
        if self._at_most is not None:
            self.hasten(self._at_most)
        while self._farewells:
            await asyncio.wait(self._farewells)

    def hasten(self, seconds: float) -> None:
        """Shorten the drain of those that are leaving, and of those that `drain` will send away."""
        self._at_most = seconds
        for post in self._leaving:
            post.dismiss(seconds)

    def _open(self) -> Post:
        post = Post(self._role, lambda: self._configure)
        self._posts.append(post)
        return post

    def _dismiss(self, post: Post, seconds: float) -> None:
        self._leaving.add(post)
        post.dismiss(seconds)
        self._farewells.add(farewell := asyncio.create_task(self._farewell(post)))
        farewell.add_done_callback(self._farewells.discard)

    async def _farewell(self, post: Post) -> None:
        await post.gone()
        self._leaving.discard(post)

    async def _offer(self, posts: list[Post], configure: Configure) -> dict[Post, Reloaded | Refused | None]:
        """Ask each of `posts`; their answers."""
        order = Reload(next(self._numbers), configure.config, configure.drain)
        answers = dict(zip(posts, await asyncio.gather(*(post.reload(order) for post in posts)), strict=True))
        for post, answer in answers.items():
            if isinstance(answer, Refused):
                _log.error("reload_refused", role=self._role.name, pid=post.pid, reason=answer.reason)
        return answers


def _behind(post: Post, configure: Configure, answer: Reloaded | Refused | None) -> bool:
    return post.pid is not None and post.config != configure.config and answer is None
