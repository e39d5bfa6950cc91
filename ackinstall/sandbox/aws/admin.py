"""The addresses under /sandbox/, which only programs on this machine can reach, and need no signature.

GET /sandbox/ready                  answers once AWS is there
POST /sandbox/authenticate          the API server's TokenReview webhook
GET, POST, DELETE /sandbox/faults   what goes wrong on purpose (see faults.Faults)
GET, DELETE /sandbox/calls          the AWS calls that were made, oldest first
"""

import json
from collections.abc import Callable, Mapping

from moto.core.request import Request
from werkzeug.wrappers import Response

from ackinstall.sandbox.aws.authenticate import Authenticator
from ackinstall.sandbox.aws.faults import Faults
from ackinstall.sandbox.aws.record import Calls

PREFIX = "/sandbox/"
Answer = Callable[[Request], object]


class Admin:
    """Answers under /sandbox/: a JSON value, or one sentence that says what is wrong."""

    def __init__(self, authenticator: Authenticator, faults: Faults, record: Calls) -> None:
        self._authenticator = authenticator
        self._faults = faults
        self._record = record
        self._routes: Mapping[str, Mapping[str, Answer]] = {
            "authenticate": {"POST": lambda request: authenticator.review(_body(request))},
            "calls": {"DELETE": self._forget, "GET": lambda _: record.shown()},
            "faults": {"DELETE": self._repair, "GET": lambda _: faults.shown(), "POST": self._break},
            "ready": {"GET": lambda _: {"ready": True}},
        }

    def answer(self, request: Request) -> Response:
        """Answer a request under /sandbox/."""
        methods = self._routes.get(request.path.removeprefix(PREFIX))
        if methods is None:
            return _refusal(404, f"there is no '{request.path}'; there are {', '.join(self._routes)}")
        method = methods.get(request.method)
        if method is None:
            return _refusal(405, f"'{request.path}' takes {', '.join(methods)}, not {request.method}")
        try:
            return Response(json.dumps(method(request)) + "\n", content_type="application/json")
        except ValueError as error:
            return _refusal(400, str(error))

    def _break(self, request: Request) -> object:
        self._faults.merge(_body(request))
        return self._faults.shown()

    def _repair(self, _: Request) -> object:
        self._faults.clear()
        return self._faults.shown()

    def _forget(self, _: Request) -> object:
        self._record.clear()
        return self._record.shown()


def _body(request: Request) -> Mapping[str, object]:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise ValueError("the body is no JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the body is no JSON object")  # noqa: TRY004 - a mistake of the sender, like the above
    return body


def _refusal(status: int, sentence: str) -> Response:
    return Response(f"{sentence}\n", status, content_type="text/plain")
