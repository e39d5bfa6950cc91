"""What EKS's pod identity webhook adds to a pod whose service account names an IAM role.

Source: github.com/aws/amazon-eks-pod-identity-webhook, its README and defaults.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from kubernetes.dynamic import DynamicClient

from ackinstall.sandbox.kube import Json, apply
from ackinstall.sandbox.node.machine import MANAGER

NAME = "pod-identity-webhook"
PATH = "/mutate"
ANNOTATION = "eks.amazonaws.com/"
VOLUME = "aws-iam-token"
MOUNT = "/var/run/secrets/eks.amazonaws.com/serviceaccount"


def add_identity(pod: Json, annotations: Mapping[str, str], region: str) -> Json:
    """Return the pod with the identity that its service account's annotations ask for."""
    role = annotations.get(ANNOTATION + "role-arn")
    if not role:
        return pod
    added = {
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ROLE_ARN": role,
        "AWS_WEB_IDENTITY_TOKEN_FILE": f"{MOUNT}/token",
    }
    token = {
        "audience": annotations.get(ANNOTATION + "audience", "sts.amazonaws.com"),
        "expirationSeconds": int(annotations.get(ANNOTATION + "token-expiration", 86400)),
        "path": "token",
    }
    spec = dict(pod["spec"])
    for kind in ("containers", "initContainers"):
        if kind in spec:
            spec[kind] = [_with_identity(container, added) for container in spec[kind]]
    volumes = [volume for volume in spec.get("volumes", []) if volume["name"] != VOLUME]
    spec["volumes"] = [*volumes, {"name": VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}}]
    return {**pod, "spec": spec}


def _with_identity(container: Json, added: Mapping[str, str]) -> Json:
    env = container.get("env", [])
    # A variable that is there already is kept, also an empty one: charts set AWS_REGION to "".
    names = {item["name"] for item in env}
    mounts = [mount for mount in container.get("volumeMounts", []) if mount["name"] != VOLUME]
    return {
        **container,
        "env": [
            *env,
            *({"name": name, "value": value} for name, value in added.items() if name not in names),
        ],
        "volumeMounts": [*mounts, {"name": VOLUME, "mountPath": MOUNT, "readOnly": True}],
    }


def review(request: Json, client: DynamicClient, region: str) -> Json:
    """Answer an AdmissionReview for a new pod; raise ApiException when its service account cannot be read."""
    pod = request["request"]["object"]
    account = client.resources.get(api_version="v1", kind="ServiceAccount").get(
        name=pod["spec"].get("serviceAccountName", "default"), namespace=request["request"]["namespace"]
    )
    annotations = account.to_dict()["metadata"].get("annotations", {})
    changed = add_identity(pod, annotations, region)
    patch = [
        {"op": "add", "path": f"/spec/{key}", "value": value}
        for key, value in changed["spec"].items()
        if value != pod["spec"].get(key)
    ]
    response: Json = {"uid": request["request"]["uid"], "allowed": True}
    if patch:
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    return {"apiVersion": request["apiVersion"], "kind": "AdmissionReview", "response": response}


def register(client: DynamicClient, port: int, authority: Path) -> None:
    """Tell the API server to send new pods to this program's loopback port."""
    webhook = {
        "name": "iam-for-pods.amazonaws.com",
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "url": f"https://127.0.0.1:{port}{PATH}",
            "caBundle": base64.b64encode(authority.read_bytes()).decode(),
        },
        "rules": [
            {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
        ],
    }
    item = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [webhook],
    }
    apply(client, item, MANAGER)
