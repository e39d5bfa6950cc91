"""The WSGI application: a request becomes a call, its caller is checked, a correction or moto answers."""

import io
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from botocore import xform_name
from moto.core.exceptions import ServiceException
from moto.core.request import Request
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Response

from ackinstall.sandbox.aws import call as calls
from ackinstall.sandbox.aws import caller
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.admin import PREFIX, Admin
from ackinstall.sandbox.aws.application_autoscaling import ApplicationAutoScaling
from ackinstall.sandbox.aws.authenticate import Authenticator
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.eks import ControlPlane, Eks
from ackinstall.sandbox.aws.errors import AwsError, UnsupportedError
from ackinstall.sandbox.aws.iam import Iam
from ackinstall.sandbox.aws.s3 import S3
from ackinstall.sandbox.aws.sagemaker_hosting import SageMakerHosting
from ackinstall.sandbox.aws.sagemaker_jobs import SageMakerJobs
from ackinstall.sandbox.aws.service_linked_roles import ServiceLinkedRoles
from ackinstall.sandbox.aws.sts import Issuer, Sts
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
    call and return the result in the shape of the API reference, or raise AwsError.
    """

    def __init__(self, account: Account, corrections: Mapping[str, Sequence[object]], admin: Admin) -> None:
        self._account = account
        self._corrections = corrections
        self._admin = admin
        self._lock = threading.RLock()  # moto walks its stores while others write to them
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401 - WSGI
        """Answer one request."""
        request = Request(environ)
        request.get_data()  # before anything parses a form, which would leave nothing to forward
        answer = self._admin.answer if request.path.startswith(PREFIX) else self.answer
        return answer(request)(environ, start_response)

    def answer(self, request: Request) -> Response:
        """Answer an AWS call in the format of its service."""
        scope = calls.scope(request, self._account.region)
        if scope is None:
            return Response(_NOT_SIGNED, 403, content_type="text/xml")
        call = calls.parse(request, scope, self._forward)
        if call is None:
            return self._forward(request)
        try:
            with self._lock:
                if scope.access_key_id:
                    call = call.by(caller.identify(self._account, request, scope))
                check_names(call)
                return self._carry_out(call)
        except ServiceException as error:
            return call.reply(error)
        except Exception:  # noqa: BLE001 - whatever moto trips over, the caller gets an AWS error
            _log.exception("'%s' failed inside the sandbox", call.action)
            return call.reply(AwsError("InternalFailure", "the sandbox failed; its log has the reason", 500))

    def _carry_out(self, call: Call) -> Response:
        name = xform_name(call.operation)
        for correction in self._corrections.get(call.service, ()):
            handler: Handler | None = getattr(correction, name, None)
            if handler is not None:
                return call.reply(handler(call))
        try:
            return self._forward(call.request)
        except NotImplementedError:
            raise UnsupportedError(f"'{call.action}'") from None

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
        return Response.from_app(self._moto, environ, buffered=True)


class Sandbox:
    """An account with an administrator and one EKS cluster whose control plane is there.

    `service_account_key` is the PEM of the public key that the cluster's issuer signs with.
    """

    def __init__(
        self, account: Account, cluster: str, control_plane: ControlPlane, service_account_key: str
    ) -> None:
        self._account = account
        self._cluster = cluster
        self._eks = Eks(account)
        self._eks.add_cluster(cluster, control_plane)
        hosting = SageMakerHosting(account)
        service_linked_roles = ServiceLinkedRoles(account)
        scaling = ApplicationAutoScaling(account, hosting, service_linked_roles)
        admin = Admin(Authenticator(account, self._eks, cluster))
        corrections = {
            "eks": (self._eks,),
            "sts": (Sts(account, Issuer(control_plane.issuer, service_account_key)),),
            "iam": (Iam(account), service_linked_roles),
            "s3": (S3(account),),
            "sagemaker": (SageMakerJobs(account), hosting),
            "application-autoscaling": (scaling,),
        }
        self.application = Aws(account, corrections, admin)

    def administrator(self) -> dict[str, str]:
        """Make the user who may do everything, here and in the cluster; the result is its access key."""
        iam = self._account.iam
        user = iam.create_user(self._account.region, "sandbox-administrator")
        policy = f"arn:{self._account.partition}:iam::aws:policy/AdministratorAccess"
        iam.attach_user_policy(policy, user.name)
        self._eks.add_administrator(self._cluster, user.arn)
        key = iam.create_access_key(user.name)
        return {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}


class _Handler(MotoRequestHandler):  # type: ignore[misc]  # moto is not checked
    """Handles requests without a line for each on stderr: /sandbox/calls has them."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def serve(application: Aws, port: int) -> BaseWSGIServer:
    """Open the port on loopback; the caller runs `serve_forever`."""
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=_Handler)
