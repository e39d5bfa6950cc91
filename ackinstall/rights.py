"""What the caller may do on the cluster, asked before the first write, so that nothing is left half made.

A SelfSubjectAccessReview asks whichever authorizer the cluster has, EKS's access entries too, and stores
nothing: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ackinstall.errors import AckinstallError
from ackinstall.forbidden import Forbidden, remedy
from ackinstall.kube import Kube
from ackinstall.lock import REF as LEASE
from ackinstall.resource import Change, Kind


class Right(NamedTuple):
    """A verb on a kind of object (its plural name and API group), in one namespace, or in all with ""."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} '{what}'" + (f" in '{self.namespace}'" if self.namespace else "")


_RBAC = "rbac.authorization.k8s.io"
_CLUSTERED = frozenset({"namespaces", "customresourcedefinitions", "clusterroles", "clusterrolebindings"})
# The objects behind each type of resource: API group and plural name. A release keeps its state in secrets.
_OBJECTS = {
    "namespace": (("", "namespaces"),),
    "receipt": (("", "configmaps"),),
    "service-account": (("", "serviceaccounts"),),
    "crds": (("apiextensions.k8s.io", "customresourcedefinitions"),),
    "helm-release": (
        ("", "secrets"),
        ("apps", "deployments"),
        (_RBAC, "clusterroles"),
        (_RBAC, "clusterrolebindings"),
        (_RBAC, "roles"),
        (_RBAC, "rolebindings"),
    ),
}
_VERBS = {
    Kind.CREATE: ("get", "create", "patch"),
    Kind.UPDATE: ("get", "create", "patch"),
    Kind.REPLACE: ("get", "delete", "create", "patch"),
    Kind.DELETE: ("get", "delete"),
}
# Helm reads, makes and updates the Secrets of a release, and deletes those of old revisions:
# https://github.com/helm/helm, pkg/storage/driver/secrets.go
_OF_STATE = {
    Kind.CREATE: ("get", "list", "create", "update"),
    Kind.UPDATE: ("get", "list", "create", "update", "delete"),
    Kind.REPLACE: ("get", "list", "create", "update", "delete"),
    Kind.DELETE: ("get", "list", "update", "delete"),
}


def to_look(namespace: str) -> list[Right]:
    """Return the rights without which nothing can be said about an installation in `namespace`."""
    return [
        Right("get", "", "namespaces"),
        Right("get", "apiextensions.k8s.io", "customresourcedefinitions"),
        Right("list", "", "secrets", namespace),
    ]


def to_carry_out(changes: Iterable[Change], namespace: str) -> list[Right]:
    """Return the rights that carrying out a plan takes, and the lock with it."""
    rights = [
        Right(verb, "coordination.k8s.io", "leases", LEASE.namespace)
        for verb in ("get", "create", "patch", "delete")
    ]
    for change in changes:
        for group, resource in _OBJECTS.get(change.resource.kind, ()):
            place = "" if resource in _CLUSTERED else namespace
            verbs = _OF_STATE if resource == "secrets" else _VERBS
            rights += [Right(verb, group, resource, place) for verb in verbs.get(change.kind, ())]
        if change.resource.kind == "service-account" and change.kind is not Kind.DELETE:
            rights.append(Right("create", "", "serviceaccounts/token", namespace))
    return list(dict.fromkeys(rights))


def lacking(kube: Kube, rights: Sequence[Right]) -> list[Right]:
    """Return those of the rights that the caller lacks; asks for all side by side."""
    with ThreadPoolExecutor(8) as pool:
        allowed = pool.map(lambda right: kube.allowed(*right), rights)
        return [right for right, is_allowed in zip(rights, allowed, strict=True) if not is_allowed]


def require(kube: Kube, rights: Sequence[Right], hint: Callable[[], str]) -> None:
    """Raise AckinstallError, with the rules that are missing and the `hint` that it gives then, when the
    caller lacks a right.
    """
    missing = lacking(kube, rights)
    if missing:
        user = kube.user()
        more = f" ({len(missing)} rights are missing)" if len(missing) > 1 else ""
        raise AckinstallError(
            "kubernetes-forbidden",
            f"{Forbidden(user, missing[0]).message}{more}",
            f"{remedy(user, missing)}; or {hint()}",
        )


def grant(cluster_arn: str, principal_arn: str) -> str:
    """Return the hint with the commands that make a user or a role administrator of an EKS cluster. A role is
    named with its path, which is not in its sessions' ARNs.

    https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
    https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
    """
    _, partition, _, region, _, name = cluster_arn.split(":", 5)
    whose = (
        f"--region {region} --cluster-name {name.removeprefix('cluster/')} --principal-arn {principal_arn}"
    )
    policy = f"arn:{partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    return (
        f"an administrator grants the rights with `aws eks create-access-entry {whose}`, where there is no "
        f"access entry yet, and then `aws eks associate-access-policy {whose} --policy-arn {policy} "
        "--access-scope type=cluster`"
    )


def principal(caller: str) -> str:
    """Return the ARN whose policies a caller has: a session's is its role's, as far as the path is known.

    A session's ARN does not tell the role's path:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    """
    _, partition, _, _, account, name = caller.split(":", 5)
    who = name.split("/")
    return f"arn:{partition}:iam::{account}:role/{who[1]}" if who[0] == "assumed-role" else caller
