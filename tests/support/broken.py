"""A world in which something is to go wrong, looked at by checks."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ackinstall.checks.check import Check, Outcome, Result, run
from ackinstall.checks.context import Context
from ackinstall.kube import Ref
from ackinstall.opening import Opening
from ackinstall.target import Choice
from support.commands import Commands, Instead
from support.world import World

ROLE = "ack-controller-role-demo"
NAMESPACE = "ack-system"


@dataclass
class Broken:
    """A world in which something is to go wrong, and the command line that looks at it."""

    commands: Commands
    choice: dict[str, Any] = field(default_factory=lambda: {"cluster": "demo"})

    @property
    def world(self) -> World:
        """The world."""
        return self.commands.world

    @property
    def iam(self) -> Any:  # noqa: ANN401 (boto3's)
        """IAM as an administrator asks it."""
        return self.world.aws.client("iam")

    def look(self, wanted: str, checks: Iterable[Check]) -> Result:
        """Look at one check, after those that it needs."""
        by_id = {one.id: one for one in checks}
        chosen, more = {wanted}, {wanted}
        while more := {need for key in more for need in by_id[key].needs} - chosen:
            chosen |= more
        results = run([one for one in checks if one.id in chosen], self.context(), 0)
        return next(one for one in results if one.check.id == wanted)

    def context(self) -> Context:
        """Return what checks look at."""
        return Context(Opening(Choice(**self.choice), self.commands.doors, ExitStack()))

    def instead_of_client(self, service: str, **methods: object) -> None:
        """Let some calls of an AWS service be others."""
        real = self.world.aws
        other = Instead(real.client(service), **methods)
        client = lambda name: other if name == service else real.client(name)  # noqa: E731 (one line)
        self.commands.aws = Instead(real, client=client)  # type: ignore[assignment]

    def instead_of_kube(self, **methods: object) -> None:
        """Let some verbs of the cluster's API be others."""
        self.commands.kube = lambda real: Instead(real, **methods)  # type: ignore[assignment, return-value]

    def instead_of_helm(self, **commands: object) -> None:
        """Let some commands of Helm be others."""
        self.commands.helm = lambda real: Instead(real, **commands)  # type: ignore[assignment, return-value]

    def deny(self, action: str, **condition: Mapping[str, str]) -> None:
        """Let IAM forbid the caller an action, under a condition."""
        statement = {"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_user_policy(UserName="administrator", PolicyName="deny", PolicyDocument=document)

    def may_only_without(self, action: str) -> None:
        """Let the caller have the rights to everything but an action."""
        document = _all_but(action)
        self.iam.put_user_policy(UserName="administrator", PolicyName="own", PolicyDocument=document)
        for policy in self.iam.list_attached_user_policies(UserName="administrator")["AttachedPolicies"]:
            self.iam.detach_user_policy(UserName="administrator", PolicyArn=policy["PolicyArn"])

    def bound(self, action: str) -> None:
        """Bound the caller by a policy that allows everything but an action."""
        made = self.iam.create_policy(PolicyName="bound", PolicyDocument=_all_but(action))["Policy"]["Arn"]
        self.iam.put_user_permissions_boundary(UserName="administrator", PermissionsBoundary=made)

    def change(self, ref: Ref, **fields: object) -> None:
        """Change fields of an object in the cluster."""
        self.world.cluster.change(ref, lambda found: found.update(fields))

    def relabel(self, ref: Ref, **labels: str) -> None:
        """Set labels of an object; underscores in their names stand for what Python cannot write."""
        self.world.cluster.change(
            ref, lambda found: found["metadata"].setdefault("labels", {}).update(_plain(labels))
        )

    def create(self, api_version: str, kind: str, name: str, namespace: str = "", **content: object) -> None:
        """Make an object in the cluster, its namespace with it."""
        metadata: dict[str, Any] = {"name": name, **({"namespace": namespace} if namespace else {})}
        metadata |= content.pop("metadata", {})  # type: ignore[arg-type, call-overload]
        if namespace and self.world.cluster.get(Ref("v1", "Namespace", namespace)) is None:
            self.create("v1", "Namespace", namespace)
        manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
        self.world.cluster.create(manifest)

    def trust(self, **changes: Callable[[dict[str, Any]], object]) -> None:
        """Change the statement of the controllers' trust policy."""
        found = self.iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
        for how in changes.values():
            how(found["Statement"][0])
        self.iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(found))

    @property
    def pod(self) -> Ref:
        """A pod of the SageMaker controller."""
        pods = self.world.cluster.list("v1", "Pod", NAMESPACE, "app.kubernetes.io/name=sagemaker-chart")
        return Ref("v1", "Pod", pods[0]["metadata"]["name"], NAMESPACE)


def _all_but(action: str) -> str:
    statement = {"Effect": "Allow", "NotAction": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _plain(labels: dict[str, str]) -> dict[str, str]:
    names = {
        "compute_type": "eks.amazonaws.com/compute-type",
        "enforce": "pod-security.kubernetes.io/enforce",
        "arch": "kubernetes.io/arch",
    }
    return {names[key]: value for key, value in labels.items()}


Breaking = Callable[[Broken], object]
KNOWN = re.compile(
    r"\b(CLUSTER|NAMESPACE|SERVICE|ARN|POD|VERSION|ACCOUNT)\b|--cluster(-name)? NAME|--name NAME"
)
"""What a command in a hint may not leave to the reader: the program knows it."""
FOR_OTHERS = "another Allow does not help"
"""How a hint begins that has no command: a Deny stands in a policy of somebody else, not known which."""


class Row(NamedTuple):
    """One check made to fail: the case's name, how, and what is found and advised (in part)."""

    case: str
    check: str
    break_: Breaking
    outcome: Outcome
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.check}: {self.case}"

    def prove(self, broken: Broken, checks: Iterable[Check]) -> None:
        """Break the world, and insist on what the check finds; looking must change nothing."""
        self.break_(broken)
        before = broken.world.inventory()
        found = broken.look(self.check, checks)
        assert found.outcome is self.outcome, found
        assert self.message in found.message, found
        assert self.hint in found.hint, found
        assert found.error or re.search(f"`[^`]+`|{FOR_OTHERS}", found.hint), found
        assert not KNOWN.search(found.hint), found
        assert broken.world.inventory() == before


def raising(error: Exception) -> Callable[..., Any]:
    """Return what fails in one way."""

    def fail(*_arguments: object, **_named: object) -> Any:  # noqa: ANN401 (never returns)
        raise error

    return fail
