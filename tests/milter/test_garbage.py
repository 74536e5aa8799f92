"""Octets on the milter socket that are no protocol: the worker lives, its memory stays, the next session is served.

Left out are macros whose number is odd: libmilter reads beyond their end (smfi_getsymval), and may crash. Postfix
always sends pairs, the socket is open to nobody else, and a worker that died is replaced.
"""

import contextlib
import random
import struct
from collections.abc import Callable, Iterable

import pytest

from lab.errors import MilterGoneError
from lab.milter import Milter
from lab.milter_protocol import frame, macros_frame, strings
from lab.ports import free_port
from lab.process import wait_for
from tests.milter.conftest import Breakable, Start
from tests.milter.memory import resident_kib
from tests.milter.offer import OfferingMta
from tests.milter.site import CONFIG, NEWSLETTER, assert_no_fault, assert_serves, session

SESSIONS, FRAMES = 400, 12
"""How many sessions of garbage, and how many frames each at most."""

DIALOGUE = (
    frame(b"O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF)),
    macros_frame(b"C", {"daemon_name": "smtpd"}),
    frame(b"C", strings("client.example") + b"4\x9c\x40" + strings("127.0.0.1")),
    macros_frame(b"M", {"j": "mx.example", "auth_authen": "newsletter"}),
    frame(b"M", strings("<news@acme.example>", "SIZE=100")),
    macros_frame(b"R", {"rcpt_addr": "ann@example.org"}),
    frame(b"R", strings("<ann@example.org>")),
    frame(b"L", strings(*NEWSLETTER)),
    macros_frame(b"E", {"i": "4XyZ12abcd"}),
    frame(b"E"),
    frame(b"A"),
)
"""What an MTA says in a session of one message."""


def _noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.choice((0, 1, 5, 40, 400)))


def _letter(dice: random.Random) -> bytes:
    return bytes([dice.choice(b"ABCEHLMNOQRTUKZ\0\xff")])


def _spoken(dice: random.Random) -> bytes:
    return dice.choice([words for words in DIALOGUE if words[4:5] != b"D"])


def _wrong_length(dice: random.Random) -> bytes:
    spoken = _spoken(dice)
    return struct.pack(">I", max(0, len(spoken) - 4 + dice.randint(-6, 6))) + spoken[4:]


def _macros(dice: random.Random) -> bytes:
    noise = _noise(dice).replace(b"\0", b"?").decode(errors="surrogateescape")
    return macros_frame(_letter(dice), {noise: noise, dice.choice(("j", "auth_authen", "rcpt_addr")): noise})


GARBAGE: tuple[Callable[[random.Random], bytes], ...] = (
    _noise,
    _wrong_length,
    _macros,
    lambda dice: dice.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\1\0\0", b"\0\0\0\0")) + _noise(dice),
    lambda dice: frame(_letter(dice), _noise(dice)),
    lambda dice: frame(_letter(dice), _spoken(dice)[5:]),
    lambda dice: frame(_spoken(dice)[4:5], _noise(dice)),
    lambda dice: frame(_spoken(dice)[4:5], _noise(dice).replace(b"\0", b"") + b"\0"),
    lambda dice: _spoken(dice)[: dice.randrange(12)],
)


def _session(dice: random.Random) -> list[bytes]:
    """Some of a dialogue, then garbage between more of it."""
    kinds = (dice.choice(GARBAGE if dice.random() < 0.6 else (_spoken,)) for _ in range(dice.randint(1, FRAMES)))
    return [*DIALOGUE[: dice.randrange(len(DIALOGUE) + 1)], *(kind(dice) for kind in kinds)]


def _say(milter: Milter, words: Iterable[bytes], leave: Callable[[OfferingMta], object]) -> None:
    mta = OfferingMta(milter.socket)
    mta.open()
    with contextlib.closing(mta), contextlib.suppress(MilterGoneError):
        for octets in words:
            mta.send_raw(octets)
        leave(mta)


def _end_of_file(mta: OfferingMta) -> None:
    """No more from us; the milter answers what there is, and hangs up."""
    mta.finish()
    mta.drain()


def _assail(milter: Milter, dice: random.Random) -> None:
    """Garbage, and hold that all is well after it."""
    workers, memory = milter.workers(), resident_kib(milter)
    for _ in range(SESSIONS):
        _say(milter, _session(dice), dice.choice((_end_of_file, OfferingMta.drop)))
        assert milter.workers() == workers
    assert resident_kib(milter) - memory < 8192
    assert_serves(milter)


def test_garbage_harms_nobody(milter: Milter, dice: random.Random) -> None:
    """Random octets, wrong lengths, frames cut short, huge or of no kind, at every stage."""
    _assail(milter, dice)


def test_a_worker_that_dies_would_be_noticed(breakable: Breakable, dice: random.Random) -> None:
    """Here of the first look-up; it is replaced, and mail is served again."""
    breakable.defects("die")
    with pytest.raises(AssertionError):
        _assail(breakable, dice)
    breakable.defects()
    breakable.process.wait_until(lambda: _all_ready(breakable), "another worker")
    assert_serves(breakable)


def _all_ready(milter: Milter) -> bool:
    return set(milter.workers()) <= {event["pid"] for event in milter.events("child_ready")} != set()


@pytest.mark.parametrize("more", [b"", b"\0\0", b"\0\0\0\x20R<ann@"], ids=["whole", "half a length", "half a frame"])
def test_an_end_of_file_at_any_stage_harms_nobody(milter: Milter, more: bytes) -> None:
    """Between frames and within."""
    for stage in range(len(DIALOGUE) + 1):
        _say(milter, (*DIALOGUE[:stage], more), _end_of_file)
        _assert_answers(milter)
    assert_serves(milter)
    assert_no_fault(milter)


def _assert_answers(milter: Milter) -> None:
    with session(milter) as mta:
        mta.message("<a@b.example>", "<ann@example.org>").expects(250)


def test_a_reset_at_any_stage_harms_nobody(start_own: Start) -> None:
    """Over TCP, where there is such a thing; with answers unread and with all of them read."""
    port = free_port()
    milter = start_own(milter={**CONFIG["milter"], "socket": f"inet:127.0.0.1:{port}"})
    milter.socket = f"inet:{port}@127.0.0.1"
    workers = milter.workers()
    for stage in range(len(DIALOGUE) + 1):
        for more in (b"", b"\0\0\0\x20R<ann@"):
            _say(milter, (*DIALOGUE[:stage], more), OfferingMta.drop)
        _assert_answers(milter)
    assert_serves(milter)
    assert milter.workers() == workers
    assert_no_fault(milter)


def test_many_silent_connections_keep_nobody_out(milter: Milter) -> None:
    """Who says nothing holds a descriptor and no more; who stops within a frame, a thread besides.

    They come one after the other. Of many at once, libmilter's pool counts a thread as idle until that runs: sessions
    may be left to fewer threads than stop within a frame, and ours with them. Postfix, who alone may connect, never
    stops there.
    """
    silent = [OfferingMta(milter.socket) for _ in range(50)]
    try:
        for number, mta in enumerate(silent):
            mta.open()
            mta.send_raw(b"\0\0\0" * (number % 2))
            wait_for(mta.is_read, "a thread that reads")
        assert_serves(milter)
    finally:
        for mta in silent:
            mta.drop()
