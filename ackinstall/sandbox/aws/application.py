"""The WSGI application: a request becomes a call, its caller is checked, a correction or moto answers."""

import io
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from botocore import xform_name
from moto.core.exceptions import ServiceException
from moto.core.request import Request
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Response

from ackinstall.sandbox.aws import call as calls
from ackinstall.sandbox.aws import caller, signature
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.admin import PREFIX, Admin
from ackinstall.sandbox.aws.authorize import authorize
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError, UnsupportedError
from ackinstall.sandbox.aws.faults import Faults
from ackinstall.sandbox.aws.needs import FOR_MANY, needs
from ackinstall.sandbox.aws.record import Calls
from ackinstall.sandbox.aws.stale import StaleReads
from ackinstall.sandbox.aws.validation import check_names

_log = logging.getLogger(__name__)
_NOT_SIGNED = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>MissingAuthenticationToken</Code>"
    "<Message>Request is missing Authentication Token</Message></Error></ErrorResponse>"
)
Handler = Callable[[Call], Mapping[str, Any]]


class Aws:
    """AWS for one account.

    `corrections` has, by service, objects whose public methods are operations in snake case: they take the
    call and return the result in the shape of the API reference, or raise AwsError. Every call passes
    `faults` and is kept in `record`; `admin` answers what is under /sandbox/.
    """

    def __init__(
        self,
        account: Account,
        corrections: Mapping[str, Sequence[object]],
        admin: Admin,
        faults: Faults,
        record: Calls,
    ) -> None:
        self._account = account
        self._corrections = corrections
        self._admin = admin
        self._faults = faults
        self._record = record
        self._stale: dict[str, StaleReads] = {}  # by service, while its reads are to be stale
        self._lock = threading.RLock()  # moto walks its stores while others write to them
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401 - WSGI
        """Answer one request."""
        request = Request(environ)
        request.get_data()  # before anything parses a form, which would leave nothing to forward
        answer = self._admin.answer if request.path.startswith(PREFIX) else self._answer
        return answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        scope = calls.scope(request, self._account.region)
        if scope is None:
            return Response(_NOT_SIGNED, 403, content_type="text/xml")
        call = calls.parse(request, scope, self._forward)
        return self._forward(request) if call is None else self._timed(call)

    def _timed(self, call: Call) -> Response:
        started, clock = time.time(), time.monotonic()
        time.sleep(self._faults.latency(call))
        with self._lock:
            call, reply = self._attempt(call)
            lost = self._faults.loses_reply(call)
        self._record.add(call, started, time.monotonic() - clock, 0 if lost else reply.status_code)
        if lost:
            raise ConnectionResetError("the reply is lost on purpose")  # the server closes the connection
        return reply

    def _attempt(self, call: Call) -> tuple[Call, Response]:
        try:
            if call.scope.access_key_id:
                principal = caller.identify(self._account, call.request, call.scope)
                call = call.by(principal)
                call = call.needing(needs(self._account, call, principal))
            return call, self._permitted(call)
        except ServiceException as error:
            return call, call.reply(error)
        except Exception:  # noqa: BLE001 - whatever moto trips over, the caller gets an AWS error
            _log.exception("'%s' failed inside the sandbox", call.action)
            return call, call.reply(
                AwsError("InternalFailure", "the sandbox failed; its log has the reason", 500)
            )

    def _permitted(self, call: Call) -> Response:
        refusals = authorize(self._account, call, self._faults.denied())
        if call.action in FOR_MANY:
            call = call.refusing(dict(refusals))
        refusal = self._faults.throttle(call) or next((one for _, one in refusals), None)
        if refusal is not None:
            raise refusal
        stale = self._faults.stale(call)
        if not stale:
            self._stale.pop(call.service, None)
            return self._carry_out(call)
        reads = self._stale.setdefault(call.service, StaleReads())
        reply = reads.before(call, stale) or self._carry_out(call)
        reads.after(call, reply, stale)
        return reply

    def _carry_out(self, call: Call) -> Response:
        name = xform_name(call.operation)
        try:
            check_names(call)
            for correction in self._corrections.get(call.service, ()):
                handler: Handler | None = getattr(correction, name, None)
                if handler is not None:
                    return call.reply(handler(call))
            return self._forward(call.request)
        except NotImplementedError:
            return call.reply(UnsupportedError(f"'{call.action}'"))
        except ServiceException as error:
            return call.reply(error)

    def _forward(self, request: Request) -> Response:
        """Let moto answer a request that has been read already."""
        body = request.get_data()
        environ = {
            key: value
            for key, value in request.environ.items()
            if not key.startswith(("werkzeug.", "wsgi.input"))
        }
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        if signature.presigned(request):  # moto looks for the caller in the header only
            credential, signed = request.args["X-Amz-Credential"], request.args["X-Amz-Signature"]
            environ["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 Credential={credential}, Signature={signed}"
        return Response.from_app(self._moto, environ, buffered=True)
