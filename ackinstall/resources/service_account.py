"""A controller's service account, and the proof that it can assume its role.

It is made before the Helm release, in the form in which Helm takes an object over, so that no pod starts
before its role can be assumed: a pod that starts too early exits and waits in CrashLoopBackOff.
https://helm.sh/docs/topics/advanced/#adopting-existing-resources
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ackinstall.errors import AckinstallError, aws_code, aws_text, translate
from ackinstall.kube import MANAGED, Manifest, Ref, is_ours
from ackinstall.resource import Change, Resource, Seen, State
from ackinstall.resources.helm_release import is_marked
from ackinstall.web_identity import explain

if TYPE_CHECKING:
    from ackinstall.clients import Clients

ROLE_ARN = "eks.amazonaws.com/role-arn"
"""https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html"""


@dataclass(frozen=True, kw_only=True)
class ServiceAccount(Resource):
    """The service account `name` in `namespace`, annotated with `role_arn`, that Helm's `release` takes over.

    It is ready once a token of it, made for `audience`, is exchanged for the role's credentials.
    """

    kind: ClassVar[str] = "service-account"
    patience: ClassVar[float] = 120.0

    namespace: str
    role_arn: str
    release: str
    audience: str

    def desired(self) -> State:
        """See Resource."""
        return {"roleArn": self.role_arn, "release": self.release}

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource. Asks STS for credentials, which are thrown away; that changes nothing."""
        found = clients.kube.get(self.ref)
        if found is None:
            return None
        annotations = found["metadata"].get("annotations") or {}
        state = {
            "roleArn": annotations.get(ROLE_ARN, ""),
            "release": annotations.get("meta.helm.sh/release-name", ""),
        }
        is_annotated = state["roleArn"] == self.role_arn
        return Seen(
            state=state,
            ours=is_ours(found) or (state["release"] == self.release and self._is_of_our_release(clients)),
            unready=self.unproven(clients) if is_annotated else "",
        )

    def _is_of_our_release(self, clients: "Clients") -> bool:
        """Where a broken release was replaced, Helm has made the account anew, without our label."""
        release = clients.helm.release(self.release, self.namespace)
        return release is not None and is_marked(release)

    def unproven(self, clients: "Clients") -> str:
        """Return why the role cannot be assumed with this service account's token; "" when it can."""
        try:
            self._assume(clients)
        except Exception as error:
            if explain(aws_code(error), aws_text(error)):
                return f"'{self.role_arn}' cannot be assumed yet ({aws_code(error)})"
            raise
        return ""

    def diagnosis(self, clients: "Clients") -> AckinstallError | None:
        """See Resource."""
        try:
            self._assume(clients)
        except Exception as error:  # noqa: BLE001 (it is what is told)
            return translate(error, f"'{self.role_arn}' cannot be assumed")
        return None

    def _assume(self, clients: "Clients") -> None:
        token = clients.kube.token(self.namespace, self.name, self.audience)
        clients.aws.client("sts").assume_role_with_web_identity(
            RoleArn=self.role_arn, RoleSessionName="ackinstall-proof", WebIdentityToken=token
        )

    def create(self, clients: "Clients") -> None:
        """See Resource."""
        clients.kube.create(self._manifest())

    def update(self, clients: "Clients", change: Change) -> None:  # noqa: ARG002 (one apply sets all)
        """See Resource."""
        clients.kube.apply(self._manifest(), force=True)

    def delete(self, clients: "Clients") -> None:
        """See Resource."""
        clients.kube.delete(self.ref)

    def _manifest(self) -> Manifest:
        metadata = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {MANAGED: "true", "app.kubernetes.io/managed-by": "Helm"},
            "annotations": {
                ROLE_ARN: self.role_arn,
                "meta.helm.sh/release-name": self.release,
                "meta.helm.sh/release-namespace": self.namespace,
            },
        }
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref("v1", "ServiceAccount", self.name, self.namespace)
