"""What goes wrong with a call, as RFC 9457 problem details.

A `Problem` is raised wherever a call cannot be carried out, and becomes its answer at the edge. Its texts are for the
caller: they say what was wrong with the call, and of a fault of ours only that it is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.responses import JSONResponse

from consentmilter.web.api.answers import Fault, ProblemDetails

MEDIA_TYPE = "application/problem+json"


@dataclass
class Problem(Exception):  # noqa: N818 - it is what RFC 9457 calls it
    """The answer to a call that was not carried out."""

    status: HTTPStatus
    detail: str | None = None
    faults: tuple[Fault, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, request: str) -> JSONResponse:
        """The answer to the request with this id."""
        told = ProblemDetails(
            title=self.status.phrase,
            status=self.status,
            detail=self.detail,
            faults=list(self.faults) or None,
            request=request,
        )
        body = told.model_dump(mode="json", exclude_none=True)
        return JSONResponse(body, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def unusable(where: str, fault: str) -> Problem:
    """The problem of one field that cannot be what it is."""
    return faulty((Fault(field=where, fault=fault),))


def faulty(faults: tuple[Fault, ...]) -> Problem:
    """The problem of a call whose fields cannot be used."""
    detail = "; ".join(f"{each.field}: {each.fault}" for each in faults[:3])
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults)
