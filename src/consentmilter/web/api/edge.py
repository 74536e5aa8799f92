"""The one place where what goes wrong with a request becomes its answer.

A `Problem` is its own answer, a store that is away is 503 and the event `api_store_unavailable`, and a fault of ours is
500 without detail and the event `api_fault`. Raises `ClientDisconnect` only: then there is nobody to answer.
"""

from collections.abc import Awaitable
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from consentmilter import log
from consentmilter.errors import StoreError
from consentmilter.web.api.metrics import STORE_FAILURES
from consentmilter.web.api.problems import Problem

RETRY_SECONDS = 5

_log = log.get()


async def answered(work: Awaitable[Response], request: str) -> Response:
    """The answer that the work comes to, or what became of it, for the request with this id."""
    try:
        return await work
    except Problem as problem:
        return problem.response(request)
    except StoreError as error:
        STORE_FAILURES.inc()
        _log.warning("api_store_unavailable", request=request, cause=str(error))
        return unavailable("the store cannot be reached, and nothing was changed").response(request)
    except ClientDisconnect:
        raise
    except Exception:  # noqa: BLE001 - the edge: whatever it is, the caller gets an answer that tells nothing of it
        _log.exception("api_fault", request=request)
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR).response(request)


def unavailable(detail: str) -> Problem:
    """The problem that trying again later helps against."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_SECONDS)})
