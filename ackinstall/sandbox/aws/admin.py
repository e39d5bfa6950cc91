"""The addresses under /sandbox/, which only programs on this machine can reach, and need no signature."""

import json
from collections.abc import Callable, Mapping

from moto.core.request import Request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from ackinstall.sandbox.aws.authenticate import Authenticator

PREFIX = "/sandbox/"
Answer = Callable[[Request], Response]


class Admin:
    """GET /sandbox/ready, and POST /sandbox/authenticate: the API server's TokenReview webhook."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._routes: Mapping[str, Mapping[str, Answer]] = {
            "ready": {"GET": lambda _: _json({"ready": True})},
            "authenticate": {"POST": self._authenticate},
        }

    def answer(self, request: Request) -> Response:
        """Answer a request under /sandbox/."""
        methods = self._routes.get(request.path.removeprefix(PREFIX))
        if methods is None:
            return _refusal(
                NotFound(f"there is no {request.path}; there are {', '.join(sorted(self._routes))}")
            )
        method = methods.get(request.method)
        if method is None:
            return _refusal(MethodNotAllowed(list(methods)))
        return method(request)

    def _authenticate(self, request: Request) -> Response:
        return _json(self._authenticator.review(json.loads(request.get_data())))


def _json(value: object) -> Response:
    return Response(json.dumps(value) + "\n", content_type="application/json")


def _refusal(error: HTTPException) -> Response:
    return Response(f"{error.description}\n", error.code, content_type="text/plain")
