"""Which ACK controllers a cluster has, whoever installed them, and whether they can act."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ackinstall.kube import Kube, Manifest

_IMAGE = re.compile(r"/(?P<service>[a-z0-9]+)-controller(?:[:@]|$)")
_POLICY_FLAG = "--deletion-policy"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A controller's Deployment: its deletion policy, and whether a pod of it is ready."""

    service: str
    namespace: str
    name: str
    is_available: bool
    policy: str


@dataclass(frozen=True)
class Controllers:
    """The controllers of a cluster."""

    deployed: tuple[Deployed, ...] = field(default=())

    def policy(self, service: str) -> str:
        """Return the deletion policy that the service's controller applies by default."""
        return next((one.policy for one in self.deployed if one.service == service), "delete")

    def there(self, services: Iterable[str]) -> str:
        """Return which Deployments of the services' controllers there are, as a clause; "" when none."""
        wanted = set(services)
        found = [f"'{one.namespace}/{one.name}'" for one in self.deployed if one.service in wanted]
        return f"the controller {' and '.join(found)} is still there" if found else ""

    def helpless(self, services: Iterable[str]) -> str:
        """Return which of the services have no controller that can act, as a clause; "" when all have."""
        able = {one.service for one in self.deployed if one.is_available}
        there = {one.service for one in self.deployed}
        parts = [
            f"the controller of '{service}' {'is not available' if service in there else 'is gone'}"
            for service in sorted(services)
            if service and service not in able
        ]
        return " and ".join(parts)


def read(kube: Kube) -> Controllers:
    """Return the controllers that run, or should run, in any namespace."""
    found = (deployed(one) for one in kube.list("apps/v1", "Deployment"))
    return Controllers(tuple(one for one in found if one is not None))


def deployed(deployment: Manifest) -> Deployed | None:
    """Return what of an ACK controller a Deployment is, None when it is of none."""
    containers = deployment["spec"]["template"]["spec"].get("containers") or ()
    for container in containers:
        match = _IMAGE.search(container.get("image", ""))
        if match:
            return Deployed(
                service=match["service"],
                namespace=deployment["metadata"]["namespace"],
                name=deployment["metadata"]["name"],
                is_available=(deployment.get("status") or {}).get("availableReplicas", 0) > 0,
                policy=_policy(container),
            )
    return None


def _policy(container: Mapping[str, Any]) -> str:
    """Return what the flag says, its value looked up in the environment as the kubelet does: $(NAME)."""
    arguments = list(container.get("args") or ())
    if _POLICY_FLAG not in arguments[:-1]:
        return "delete"
    value = str(arguments[arguments.index(_POLICY_FLAG) + 1])
    environment = {one["name"]: one.get("value", "") for one in container.get("env") or ()}
    return re.sub(r"\$\((\w+)\)", lambda match: environment.get(match[1], ""), value) or "delete"
