"""A sandbox's AWS put together, and the server that makes it reachable on loopback."""

from collections.abc import Mapping
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.admin import Admin
from ackinstall.sandbox.aws.application import Aws
from ackinstall.sandbox.aws.application_autoscaling import ApplicationAutoScaling
from ackinstall.sandbox.aws.authenticate import Authenticator
from ackinstall.sandbox.aws.eks import ControlPlane, Eks
from ackinstall.sandbox.aws.faults import Faults
from ackinstall.sandbox.aws.iam import Iam
from ackinstall.sandbox.aws.policy_simulator import PolicySimulator
from ackinstall.sandbox.aws.record import Calls
from ackinstall.sandbox.aws.s3 import S3
from ackinstall.sandbox.aws.sagemaker_hosting import SageMakerHosting
from ackinstall.sandbox.aws.sagemaker_jobs import SageMakerJobs
from ackinstall.sandbox.aws.service_linked_roles import ServiceLinkedRoles
from ackinstall.sandbox.aws.sts import Issuer, Sts


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
        corrections = {
            "eks": (self._eks,),
            "sts": (Sts(account, Issuer(control_plane.issuer, service_account_key)),),
            "iam": (Iam(account), PolicySimulator(account), service_linked_roles),
            "s3": (S3(account),),
            "sagemaker": (SageMakerJobs(account), hosting),
            "application-autoscaling": (ApplicationAutoScaling(account, hosting, service_linked_roles),),
        }
        faults, record = Faults(), Calls()
        admin = Admin(Authenticator(account, self._eks, cluster), faults, record)
        self.application = Aws(account, corrections, admin, faults, record)

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

    def connection_dropped(self, error: BaseException, environ: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - as inherited
        """Close the connection, which the lost reply of a call leaves open."""
        self.close_connection = True


def serve(application: Aws, port: int) -> BaseWSGIServer:
    """Open the port on loopback; the caller runs `serve_forever`."""
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=_Handler)
