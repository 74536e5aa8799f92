"""The message of a call, read and validated: a JSON body within its limits, or the query.

The body is read by hand, at most so many octets and so many seconds. Raises `Problem`: 408 for a body that does not
come, 413 for one too long, 415 for another kind, 400 for what is no JSON, and 422 with a fault for each field.
"""

import asyncio
import re
from http import HTTPStatus
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from consentmilter.web.api.answers import Fault
from consentmilter.web.api.messages import Message
from consentmilter.web.api.problems import Problem, faulty

M = TypeVar("M", bound=Message)

BODY_SECONDS = 10.0
MAX_FAULTS = 20

_JSON = re.compile(r"application/json\s*(?:;\s*charset=\"?utf-8\"?\s*)?", re.IGNORECASE)


async def from_body(request: Request, message: type[M], most: int, seconds: float = BODY_SECONDS) -> M:
    """The message in the request's body of at most so many octets."""
    if not _JSON.fullmatch(request.headers.get("content-type", "")) or "content-encoding" in request.headers:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body has to be application/json in UTF-8")
    body = await _read(request, most, seconds)
    try:
        return message.model_validate_json(body)
    except ValidationError as error:
        raise _problem(error) from None


def from_query(request: Request, message: type[M]) -> M:
    """The message in the request's query."""
    pairs = request.query_params.multi_items()
    if twice := {name for name, _ in pairs if len(request.query_params.getlist(name)) > 1}:
        raise faulty(tuple(Fault(field=name, fault="given more than once") for name in sorted(twice)[:MAX_FAULTS]))
    try:
        return message.model_validate(dict(pairs))
    except ValidationError as error:
        raise _problem(error) from None


async def _read(request: Request, most: int, seconds: float) -> bytes:
    too_long = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {most} octets")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise too_long
    except TimeoutError:
        detail = f"the body did not come within {seconds:g} seconds"
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, detail) from None
    return bytes(body)


def _problem(error: ValidationError) -> Problem:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return Problem(HTTPStatus.BAD_REQUEST, "the body is not JSON")
    return faulty(tuple(map(_fault, found[:MAX_FAULTS])))


def _fault(error: ErrorDetails) -> Fault:
    where = ".".join(str(part) for part in error["loc"])[:200]
    return Fault(field=where or "body", fault=error["msg"].removeprefix("Value error, "))
