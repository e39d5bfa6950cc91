"""By whose credentials the controller in a pod calls AWS. Pure.

The order in which its SDK looks for them: keys in the environment, then a token for a role there, then a
profile in files, then an address that gives them out, at last the node's:
https://docs.aws.amazon.com/sdk-for-go/v2/developer-guide/configure-gosdk.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ackinstall.catalog import AUDIENCE
from ackinstall.kube import Manifest

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
ROLE, TOKEN_FILE = "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"
"""What EKS's webhook puts into a pod: https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html"""
PROFILE, FILE = "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"
"""What ACK's charts set for 'aws.credentials.secretName'."""
ASSOCIATION = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
"""What EKS Pod Identity puts into a pod in place of a role:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html"""
CONTROLLER = "controller"
"""The name of the controller's container in ACK's charts; others are put beside it."""


def controller_of(pod: Manifest) -> Mapping[str, Any]:
    """Return the controller's container of a pod."""
    containers: list[Mapping[str, Any]] = pod["spec"]["containers"]
    return next((one for one in containers if one["name"] == CONTROLLER), containers[0])


def environment(pod: Manifest) -> dict[str, str]:
    """Return the controller's variables; "" for a value that stands elsewhere, as in a Secret."""
    return {one["name"]: one.get("value", "") for one in controller_of(pod).get("env") or ()}


def wrong_identity(pod: Manifest, role: str) -> str:
    """Return what is wrong with the identity that a pod carries; "" when it can act as `role` (an ARN)."""
    variables = environment(pod)
    if variables.keys() >= {*KEYS}:
        return f"acts by the keys in {KEYS[0]}, which go before its role"
    if not variables.get(ROLE):
        return _other_identity(variables)
    if variables[ROLE] != role:
        return f"runs as '{variables[ROLE]}', not as '{role}'"
    path = variables.get(TOKEN_FILE, "")
    mounts = {one["mountPath"]: one["name"] for one in controller_of(pod).get("volumeMounts") or ()}
    volume = next((name for mount, name in mounts.items() if path.startswith(f"{mount}/")), "")
    audiences = [token.get("audience", "") for name, token in _tokens(pod) if name == volume]
    if not audiences:
        return "has no token of its service account for AWS"
    if AUDIENCE not in audiences:
        return f"has a token for the audience '{audiences[0]}', not for '{AUDIENCE}'"
    return ""


def _other_identity(variables: Mapping[str, str]) -> str:
    if FILE in variables or PROFILE in variables:
        return f"acts by a profile in {FILE}, and has no {ROLE}"
    if ASSOCIATION in variables:
        return f"acts by an EKS Pod Identity association, in place of which it has no {ROLE}"
    return (
        f"runs on no identity: it has no {ROLE}, as when it started before its service account named the "
        "role, and acts as its node"
    )


def _tokens(pod: Manifest) -> Iterator[tuple[str, Mapping[str, str]]]:
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                yield volume["name"], source["serviceAccountToken"]
