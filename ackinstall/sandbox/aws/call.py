"""An AWS API call: which operation of which service a request asks for, and how its reply is written."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from botocore.exceptions import UnknownServiceError
from botocore.parsers import create_parser
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.policy_evaluation import Request as Need
from ackinstall.sandbox.aws.principals import Principal

_CREDENTIAL = re.compile(
    r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
)
# Signing names that are not the service's name in botocore.
_SIGNING_NAMES = {"monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi", "email": "ses"}
_READ = ("Get", "List", "Describe", "Head", "BatchGet", "AssumeRole", "Simulate", "Lookup", "Search")
_UNSIGNED = "AssumeRoleWithWebIdentity"


@dataclass(frozen=True)
class Scope:
    """Who signed a request (an access key id, or "" for a call that needs no signature), and for what."""

    access_key_id: str
    region: str
    service: str


@dataclass(frozen=True)
class Call:
    """One call of one operation; `parameters` are named and shaped as in the service's API reference.

    `needs` is all that its caller has to be allowed; a call that nobody signed needs nothing. `refused` are,
    by ARN, the objects that are refused to a call for many.
    """

    scope: Scope
    model: OperationModel
    parameters: Mapping[str, Any]
    request: Request
    forward: Callable[[Request], Response]
    principal: Principal | None = None
    needs: tuple[Need, ...] = ()
    refused: Mapping[str, AwsError] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """The service as botocore and IAM know it: iam, s3, application-autoscaling, ..."""
        return self.scope.service

    @property
    def operation(self) -> str:
        """The operation as in the API reference: CreateRole."""
        return str(self.model.name)

    @property
    def action(self) -> str:
        """The operation with its service: iam:CreateRole."""
        return f"{self.service}:{self.operation}"

    @property
    def writes(self) -> bool:
        """Whether the operation changes anything, by its name."""
        return not self.operation.startswith(_READ)

    def by(self, principal: Principal) -> "Call":
        """Return the same call, made by this principal."""
        return replace(self, principal=principal)

    def needing(self, needs: Iterable[Need]) -> "Call":
        """Return the same call, for which its caller has to be allowed all this."""
        return replace(self, needs=tuple(needs))

    def refusing(self, refused: Mapping[str, AwsError]) -> "Call":
        """Return the same call, to which some of its objects are refused."""
        return replace(self, refused=refused)

    def moto(self) -> dict[str, Any]:
        """Moto's result of this call, as boto3 would return it; AwsError when moto answers an error."""
        reply = self.forward(self.request)
        parser = create_parser(self.model.service_model.protocol)
        result: dict[str, Any] = parser.parse(
            {"body": reply.get_data(), "headers": dict(reply.headers), "status_code": reply.status_code},
            cast("Any", self.model.output_shape),  # none for an operation without a result
        )
        if reply.status_code >= 300:  # noqa: PLR2004 - the first HTTP status that is no success
            error = result.get("Error", {})
            raise AwsError(error.get("Code", ""), error.get("Message", ""), reply.status_code, reply)
        result.pop("ResponseMetadata", None)
        return result

    def reply(self, result: Mapping[str, Any] | ServiceException) -> Response:
        """Write the result or the error in the wire format of this service."""
        if isinstance(result, AwsError) and result.reply is not None:
            return result.reply
        service = self.model.service_model
        protocol = determine_request_protocol(service, self.request.content_type)
        serialized = get_serializer_class(self.service, protocol)(self.model).serialize(result)
        status = result.status if isinstance(result, AwsError) else serialized["status_code"]
        return Response(serialized["body"], status, serialized["headers"])


def scope(request: Request, home_region: str) -> Scope | None:
    """Read whom a request is signed by and for, from its header or its query; None when it is not signed."""
    signed = request.headers.get("Authorization") or f"Credential={request.args.get('X-Amz-Credential', '')}"
    if found := _CREDENTIAL.search(signed):
        service = found["service"].lower()
        return Scope(found["key"], found["region"], _SIGNING_NAMES.get(service, service))
    if request.values.get("Action") == _UNSIGNED:
        return Scope("", home_region, "sts")
    return None


def parse(request: Request, scope: Scope, forward: Callable[[Request], Response]) -> Call | None:
    """Read operation and parameters; None when the service or the operation is not known."""
    try:
        service = get_service_model(scope.service)
        operation, labels = get_service_router(scope.service).match(request)
    except (NotFound, NotImplementedError, UnknownServiceError):
        return None
    parameters: Mapping[str, Any] = labels
    if not operation.has_streaming_input:  # an object's content is no parameter
        parser = PROTOCOL_PARSERS[determine_request_protocol(service, request.content_type)]
        parameters = parser(operation).parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": request.get_data(),
                "url_path": request.path,
                "url_params": labels,
            }
        )
    return Call(scope, operation, parameters, request, forward)
