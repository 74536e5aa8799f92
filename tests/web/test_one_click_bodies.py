"""Bodies: what counts as a one-click request, and how little of a body is read."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from starlette.requests import Request
from starlette.types import Message

from consentmilter.web.body import Body, read_body

BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gW"


def multipart(value: bytes, extra: bytes = b"", name: bytes = b'"List-Unsubscribe"', end: bytes = b"\r\n") -> bytes:
    lines = [
        b"--" + BOUNDARY,
        b"Content-Disposition: form-data; name=" + name,
        *([extra] if extra else []),
        b"",
        value,
        b"--" + BOUNDARY + b"--",
        b"",
    ]
    return end.join(lines)


@pytest.mark.parametrize(
    "octets",
    [
        b"List-Unsubscribe=One-Click",
        b"List-Unsubscribe=One-Click\r\n",
        b"list-unsubscribe=one-click",
        b"LIST-UNSUBSCRIBE=ONE-CLICK",
        b" List-Unsubscribe = One-Click ",
        b"List%2DUnsubscribe=One%2DClick",
        b"List-Unsubscribe%3DOne-Click",
        b"List-Unsubscribe=One-Click&",
        b"a=b&List-Unsubscribe=One-Click&c=d",
        b"List-Unsubscribe: One-Click",
        b'{"List-Unsubscribe": "One-Click"}',
        b'List-Unsubscribe="One-Click"',
        b"\xef\xbb\xbfList-Unsubscribe=One-Click",
        multipart(b"One-Click"),
        multipart(b"One-Click", end=b"\n"),
        multipart(b"one-click", name=b"List-Unsubscribe"),
        multipart(b"One-Click", extra=b"Content-Type: text/plain; charset=UTF-8"),
        multipart(b"One-Click", extra=b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit"),
        b"",
        b"\r\n",
    ],
)
def test_one_click_is_recognised_however_it_is_written(octets: bytes) -> None:
    """Forms of both kinds, odd spellings, and no body at all, as some mail programs send."""
    assert Body(octets, ended=True).is_one_click


@pytest.mark.parametrize(
    "octets",
    [
        b"do=unsubscribe",
        b"undo=abc",
        b"List-Unsubscribe",
        b"List-Unsubscribe=",
        b"List-Unsubscribe=No",
        b"List-Unsubscribe=One-Clicker",
        b"X-List-Unsubscribe=One-Click",
        b"List-Unsubscribe-Post=One-Click",
        b"One-Click",
        b"List-Unsubscribe=Never One-Click",
        b"\x00\xff\xfe",
        b"null",
        multipart(b"Two-Click"),
        multipart(b"One-Click", name=b'"other"'),
    ],
)
def test_what_says_something_else_is_not(octets: bytes) -> None:
    """A body that is there must mean it."""
    assert not Body(octets, ended=True).is_one_click


def test_an_empty_body_counts_only_if_it_was_sent_whole() -> None:
    """A client that stalls or breaks off has said nothing."""
    assert Body(b"", ended=True).is_one_click
    assert not Body(b"", ended=False).is_one_click


def test_recognising_takes_no_longer_than_reading() -> None:
    """No start of 1 KiB makes the pattern go back and forth."""
    pieces = (b"list-unsubscribe ", b"list-unsubscribe" + b"=" * 90, b"list-unsubscribe=content-a\n", b"content-\n")
    for piece in pieces:
        assert not Body((piece * 1024)[:1024], ended=True).is_one_click


def test_fields_are_those_of_a_form() -> None:
    """As a browser sends it, names repeated."""
    body = Body(f"do=selected&stream=a&stream={quote('b&c=ä')}&empty=".encode(), ended=True)
    assert body.fields() == {"do": ["selected"], "stream": ["a", "b&c=ä"], "empty": [""]}
    assert Body(b"\xff=%ff", ended=True).fields() == {"\N{REPLACEMENT CHARACTER}": ["\N{REPLACEMENT CHARACTER}"]}


class Client:
    """Sends chunks for ever, or until they are used up; counts what was taken."""

    def __init__(self, chunks: AsyncIterator[Message]) -> None:
        self._chunks = chunks
        self.taken = 0

    async def receive(self) -> Message:
        self.taken += 1
        return await anext(self._chunks)

    def request(self) -> Request:
        return Request({"type": "http", "method": "POST", "headers": []}, self.receive)


def chunk(octets: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": octets, "more_body": more}


async def endless() -> AsyncIterator[Message]:
    while True:
        yield chunk(b"x" * 100)


async def stalling() -> AsyncIterator[Message]:
    yield chunk(b"List-Unsubscribe=One-Click")
    await asyncio.Event().wait()


async def leaving() -> AsyncIterator[Message]:
    yield chunk(b"List-Unsub")
    yield {"type": "http.disconnect"}


async def in_pieces() -> AsyncIterator[Message]:
    for octet in b"List-Unsubscribe=One-Click":
        yield chunk(bytes([octet]))
    yield chunk(b"", more=False)


def test_no_more_than_the_limit_is_read() -> None:
    """Of a body without end, a little more than the limit is taken from the connection."""
    client = Client(endless())
    assert asyncio.run(read_body(client.request(), 1024)) == Body(b"x" * 1024, ended=False)
    assert client.taken == 11


def test_a_client_that_stalls_is_judged_by_what_it_sent() -> None:
    """It has said enough; the rest is not waited for longer than allowed."""
    body = asyncio.run(read_body(Client(stalling()).request(), 1024, seconds=0.05))
    assert body == Body(b"List-Unsubscribe=One-Click", ended=False)
    assert body.is_one_click


def test_a_client_that_leaves_has_said_nothing_whole() -> None:
    """Half a word is no request."""
    body = asyncio.run(read_body(Client(leaving()).request(), 1024))
    assert not body.ended
    assert not body.is_one_click


def test_a_body_may_come_octet_by_octet() -> None:
    """However the network cuts it."""
    assert asyncio.run(read_body(Client(in_pieces()).request(), 1024)) == Body(
        b"List-Unsubscribe=One-Click", ended=True
    )


@pytest.mark.parametrize("length", [1023, 1024])
def test_a_body_of_the_limit_is_whole(length: int) -> None:
    """One octet more is not."""

    async def one(octets: bytes) -> AsyncIterator[Message]:
        yield chunk(octets, more=False)

    assert asyncio.run(read_body(Client(one(b"y" * length)).request(), 1024)).ended
    assert not asyncio.run(read_body(Client(one(b"y" * 1025)).request(), 1024)).ended
