"""The OpenAPI 3.1 description of the API, made from the table of operations and the models of messages and answers.

It says nothing of the site, so that it can be served to anybody.
"""

from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from consentmilter import __version__
from consentmilter.web.api.answers import ProblemDetails
from consentmilter.web.api.messages import Message
from consentmilter.web.api.operations import OPERATIONS, Operation
from consentmilter.web.api.problems import MEDIA_TYPE

PATH = "/v1/openapi.json"

_REF = "#/components/schemas/{model}"

_PROBLEMS = {
    "401": "The token is missing or not known.",
    "403": "The token is not good for this call, or not for that organisation.",
    "422": "A field or parameter cannot be used; `faults` names each.",
    "429": "Too many calls without a good token; `Retry-After` says when to try again.",
    "500": "A fault of ours.",
    "503": "The store cannot be reached, and nothing was changed; `Retry-After` says when to try again.",
}
_PROBLEMS_OF_BODIES = {
    "400": "The body is not JSON.",
    "408": "The body did not come in time.",
    "413": "The body is too long.",
    "415": "The body is of another type.",
}


@cache
def description() -> dict[str, Any]:
    """The whole description, made once: it is the same for every site and after every reload."""
    _, schemas = models_json_schema(
        [
            *((each.message, "validation") for each in OPERATIONS),
            *((each.answer, "serialization") for each in OPERATIONS),
            (ProblemDetails, "serialization"),
        ],
        ref_template=_REF,
    )
    paths: dict[str, Any] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": "consentmilter", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(each: Operation) -> dict[str, Any]:
    said = _body(each.message) if each.method == "POST" else {"parameters": _parameters(each.message)}
    problems = (_PROBLEMS_OF_BODIES if each.method == "POST" else {}) | _PROBLEMS
    problems |= {"409": each.conflict} if each.conflict else {}
    return {
        "operationId": each.name,
        "summary": each.summary,
        **said,
        "responses": {
            "200": _response("Done.", "application/json", each.answer.__name__),
            **{status: _response(text, MEDIA_TYPE, ProblemDetails.__name__) for status, text in problems.items()},
        },
    }


def _body(message: type[Message]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": _schema(message.__name__)}}}


def _parameters(message: type[Message]) -> list[dict[str, Any]]:
    properties: dict[str, Any] = message.model_json_schema()["properties"] if message.model_fields else {}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _response(text: str, media_type: str, model: str) -> dict[str, Any]:
    return {"description": text, "content": {media_type: _schema(model)}}


def _schema(model: str) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(model=model)}}
