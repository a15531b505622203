"""What every operation of the OpenAPI schema has in common: the errors that its shape alone brings."""

from typing import Any

_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_SIGNED_IN = {"401": "Not signed in, or the token is no longer valid.", "403": "The role does not allow this."}
_WITH_ID = {"404": "Nothing with this id, or it is not yours."}
_WITH_CURSOR = {"400": "The cursor is not one of this list."}
_WITH_BODY = {
    "400": "The body is not valid JSON.",
    "413": "The body is too large.",
    "415": "The body's type is not accepted here.",
    "422": "Some fields are not valid.",
}
_ALWAYS = {"503": "The database is restarting. Try again in a few seconds."}


def add_common_errors(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook: views then declare only what is their own."""
    for operations in result["paths"].values():
        for method, operation in operations.items():
            if method in _METHODS:
                _add_errors(operation)
    return result


def _add_errors(operation: dict[str, Any]) -> None:
    errors = dict(_ALWAYS)
    security = operation.get("security") or [{}]
    if {} not in security:
        errors |= _SIGNED_IN
    parameters = operation.get("parameters", ())
    if any(parameter["in"] == "path" for parameter in parameters):
        errors |= _WITH_ID
    if any(parameter["name"] == "cursor" for parameter in parameters):
        errors |= _WITH_CURSOR
    if "requestBody" in operation:
        errors |= _WITH_BODY
    for code, words in errors.items():
        operation["responses"].setdefault(code, {"description": words, "content": _CONTENT})
    operation["responses"] = dict(sorted(operation["responses"].items()))


_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
