"""How an error of the one tree is answered over HTTP: a status, and the line that the command line would say."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from storage.errors import (
    JobAwaited,
    JobRunning,
    LongtakeError,
    NoSpace,
    NoSuchJob,
    NotMade,
    RunError,
    RunLocked,
)


class ErrorFacts(BaseModel):
    """What is the matter."""

    message: str
    """One line that names the thing and the way out."""
    type: str
    code: int
    """The exit code of the same on the command line (docs/cli.md)."""


class ErrorBody(BaseModel):
    """The body of every answer that is no success."""

    error: ErrorFacts


STATUSES = {2: 422, 3: 409, 4: 503, 5: 507, 75: 409}
"""By exit code; what a check ended with 1 is of the input, too: a library may have died of it."""


def describe_errors(said: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Answers of OpenAPI with an ErrorBody, by status and what it means."""
    return {code: {"model": ErrorBody, "description": text} for code, text in said.items()}


RESPONSES = describe_errors(
    {
        400: "It is no request of HTTP that can be read",
        401: "The token or the password is missing or wrong",
        403: "It came by another name or from another site's page",
        404: "There is no such run, or no such part of it yet",
        409: "Another process works on it, or it cannot be done in this state",
        422: "It cannot be used, and why",
    }
)
"""What any route may answer besides its own."""


class Unacceptable(Exception):  # noqa: N818 - as in storage/errors.py
    """A request that is refused with a status of HTTP of its own."""

    def __init__(self, status: int, line: str, retry_after: int | None = None) -> None:
        super().__init__(line)
        self.status = status
        self.headers = None if retry_after is None else {"Retry-After": str(retry_after)}


def error_body(line: str, kind: str, code: int) -> dict[str, Any]:
    """The body of an answer that is no success."""
    return {"error": {"message": line, "type": kind, "code": code}}


def add_error_handlers(app: FastAPI) -> None:
    """Let every error be answered in the same shape."""

    @app.exception_handler(LongtakeError)
    def answer_longtake(_request: Request, error: LongtakeError) -> JSONResponse:
        body = error_body(str(error), type(error).__name__, error.exit_code)
        return JSONResponse(body, choose_status(error))

    @app.exception_handler(Unacceptable)
    def answer_unacceptable(_request: Request, error: Unacceptable) -> JSONResponse:
        return JSONResponse(error_body(str(error), "Refused", 2), error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    def answer_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()[0]
        line = f"{'.'.join(map(str, found['loc']))}: {found['msg']}."
        return JSONResponse(error_body(line, "BadInput", 2), 422)

    @app.exception_handler(HTTPException)
    def answer_http(_request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(
            error_body(str(error.detail), "Refused", 2), error.status_code, error.headers
        )


def choose_status(error: LongtakeError) -> int:
    """The status of HTTP for an error."""
    if isinstance(error, NoSuchJob | NotMade):
        return 404
    if isinstance(error, JobAwaited | JobRunning | RunLocked):
        return 409
    if isinstance(error, NoSpace):
        return 507
    if isinstance(error, RunError) and error.exit_code == RunError.exit_code:
        return 409
    return STATUSES.get(error.exit_code, 422)
