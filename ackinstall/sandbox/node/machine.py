"""The Node object: one Linux machine that is always there while this program runs."""

import logging
import threading
from datetime import UTC, datetime

from kubernetes.dynamic import DynamicClient

from ackinstall.sandbox.kube import FAILURES, Json, apply, brief
from ackinstall.sandbox.node.pods import CAPACITY

ADDRESS = "127.0.0.1"
NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40  # the kubelet's default, which it renews in a quarter of that time
MANAGER = "sandbox-node"
log = logging.getLogger(__name__)


def node_name(region: str) -> str:
    """Return the node's name, as EC2 makes one of a private address."""
    return f"ip-{ADDRESS.replace('.', '-')}.{region}.compute.internal"


def node_object(region: str) -> Json:
    """Return the Node without its status."""
    labels = {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": node_name(region),
        "node.kubernetes.io/instance-type": "m5.large",
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": f"{region}a",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node_name(region), "labels": labels},
        "spec": {"providerID": f"aws:///{region}a/i-00000000000000000"},
    }


def node_status(port: int, version: str, *, ready: bool) -> Json:
    """Return the Node's status; logs of its pods are served on the port."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {
        "type": "Ready",
        "status": "True" if ready else "Unknown",
        "reason": "KubeletReady" if ready else "NodeStatusUnknown",
        "message": "the sandbox's node is running" if ready else "the sandbox's node has stopped",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return {
        "capacity": CAPACITY,
        "allocatable": CAPACITY,
        "conditions": [condition],
        "addresses": [{"type": "InternalIP", "address": ADDRESS}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": {
            "operatingSystem": "linux",
            "architecture": "amd64",
            "kubeletVersion": version,
            "osImage": "ackinstall sandbox",
            "containerRuntimeVersion": "process://1",
            "kernelVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
            "kubeProxyVersion": "",
        },
    }


def register(client: DynamicClient, region: str, port: int) -> None:
    """Make the Node, ready."""
    apply(client, node_object(region), MANAGER)
    write_status(client, region, port, ready=True)


def write_status(client: DynamicClient, region: str, port: int, *, ready: bool) -> None:
    """Say whether the Node is ready; does not wait long, as the API server may be ending too."""
    client.resources.get(api_version="v1", kind="Node").status.patch(
        body={"status": node_status(port, client.version["kubernetes"]["gitVersion"], ready=ready)},
        name=node_name(region),
        content_type="application/merge-patch+json",
        _request_timeout=1,
    )


def renew_lease(client: DynamicClient, region: str, stop: threading.Event) -> None:
    """Renew the node's lease until the event is set."""
    while True:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": node_name(region), "namespace": NAMESPACE},
            "spec": {
                "holderIdentity": node_name(region),
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": now,
            },
        }
        try:
            apply(client, lease, MANAGER)
        except FAILURES as failure:
            log.warning("cannot renew the node's lease: %s", brief(failure))
        if stop.wait(LEASE_SECONDS / 4):
            return
