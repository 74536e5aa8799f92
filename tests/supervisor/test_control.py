"""Messages on the control channel, and the child's end of it."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.control import (
    MAX_LINE,
    Answer,
    AsyncChannel,
    Channel,
    Configure,
    Drain,
    Drained,
    EndOfChannelError,
    Order,
    Ready,
    Refused,
    Reload,
    Reloaded,
    answer_line,
    order_line,
    parse_answer,
    parse_order,
)
from consentmilter.errors import ControlError

ORDERS: list[Order] = [Configure('{"mode": "observe"}', 300.0), Reload(7, '{"mode":\n"enforce"}', 5.0), Drain(0.5)]
ANSWERS: list[Answer] = [
    Ready(),
    Reloaded(7),
    Refused("no key file"),
    Refused("line one\nline two\x00\x7f", 7),
    Drained(3),
]


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    """A child's channel, and the supervisor's end of it."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield Channel(theirs), ours


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_is_one_line_and_comes_back_as_it_was(order: Order) -> None:
    """Whatever is in it."""
    assert order_line(order).count(b"\n") == 1
    assert parse_order(order_line(order)) == order


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_one_line_and_comes_back_as_it_was(answer: Answer) -> None:
    """Whatever is in it."""
    assert answer_line(answer).count(b"\n") == 1
    assert parse_answer(answer_line(answer)) == answer


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"drain\n",
        b"{}\n",
        b'{"kind": "explode"}\n',
        b'{"kind": "drain"}\n',
        b'{"kind": "drain", "seconds": "soon"}\n',
        b'{"kind": "ready"}\n',
        b"\xff\xfe\n",
    ],
)
def test_what_is_no_order_is_refused(line: bytes) -> None:
    """An answer is none either."""
    with pytest.raises(ControlError, match="no message of the control channel"):
        parse_order(line)


def test_a_refusal_does_not_quote_the_message() -> None:
    """A configuration can hold a password."""
    with pytest.raises(ControlError) as caught:
        parse_order(b'{"kind": "configure", "config": "s3cret", "drain": "s3cret"}')
    assert "s3cret" not in str(caught.value)


@given(st.binary(max_size=200))
def test_no_octets_whatever_do_more_than_be_refused(line: bytes) -> None:
    """Garbage raises nothing else."""
    try:
        parse_order(line)
    except ControlError:
        return


def test_orders_are_received_one_by_one_however_they_are_cut(ends: tuple[Channel, socket.socket]) -> None:
    """A stream socket keeps no boundaries."""
    channel, ours = ends
    stream = b"".join(order_line(order) for order in ORDERS)
    for start in range(0, len(stream), 7):
        ours.sendall(stream[start : start + 7])
    assert [channel.receive(5.0) for _ in ORDERS] == ORDERS


def test_receiving_gives_up_after_its_time(ends: tuple[Channel, socket.socket]) -> None:
    """Half a line is none yet, and is not lost."""
    channel, ours = ends
    assert channel.receive(0.01) is None
    line = order_line(ORDERS[0])
    ours.sendall(line[:5])
    assert channel.receive(0.01) is None
    ours.sendall(line[5:])
    assert channel.receive(5.0) == ORDERS[0]


def test_the_end_of_the_channel_is_told_after_all_that_was_said(ends: tuple[Channel, socket.socket]) -> None:
    """And again each time."""
    channel, ours = ends
    ours.sendall(order_line(ORDERS[0]))
    ours.close()
    assert channel.receive() == ORDERS[0]
    for _ in range(2):
        with pytest.raises(EndOfChannelError):
            channel.receive()


def test_a_line_without_end_is_the_end_of_the_channel(
    ends: tuple[Channel, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory stays bounded."""
    assert MAX_LINE >= 2**20
    monkeypatch.setattr("consentmilter.control.MAX_LINE", 1000)
    channel, ours = ends
    ours.sendall(b"x" * 2000)
    with pytest.raises(EndOfChannelError, match="never ends"):
        channel.receive(5.0)


def test_an_answer_that_nobody_hears_is_no_error(ends: tuple[Channel, socket.socket]) -> None:
    """A drained worker still leaves in peace when its supervisor is gone."""
    channel, ours = ends
    ours.close()
    channel.send(Drained(0))


def asynchronously(*octets: bytes, within: float | None = 0.05) -> list[Order | None]:
    """What the end on an event loop receives of these octets, and then of the end of file."""

    async def receive() -> list[Order | None]:
        theirs, ours = socket.socketpair()
        channel = await AsyncChannel.attach(theirs)
        found: list[Order | None] = []
        try:
            with ours:
                for part in octets:
                    ours.sendall(part)
                    found.append(await channel.receive(within))
            with pytest.raises(EndOfChannelError):
                await channel.receive(5)
            await channel.send(Ready())  # nobody listens, which is no error
        finally:
            channel.close()
        return found

    return asyncio.run(receive())


def test_orders_are_received_on_an_event_loop_as_well() -> None:
    """In parts, several at once, and none where there is none in time."""
    line = order_line(ORDERS[0])
    assert asynchronously(line) == [ORDERS[0]]
    assert asynchronously(line[:9], line[9:] + order_line(ORDERS[1]), b"") == [None, ORDERS[0], ORDERS[1]]
    assert asynchronously(line[:9]) == [None]


def test_what_is_no_order_is_told_on_an_event_loop_as_well() -> None:
    """The next line is read as if nothing had been."""
    with pytest.raises(ControlError):
        asynchronously(b"nonsense\n")
