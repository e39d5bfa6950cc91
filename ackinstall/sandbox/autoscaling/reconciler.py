"""Brings one custom resource and AWS together, and writes how it went into the resource's status."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ackinstall.sandbox.autoscaling.kinds import Kind, contains
from ackinstall.sandbox.kube import Json

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import ApplicationAutoScalingClient as Client

PREFIX = "services.k8s.aws/"
SYNCED = "Resource synced successfully"
NOT_SYNCED = "Resource not synced"
UNKNOWN = "Unable to determine if desired resource state matches latest observed state"
NOT_MANAGED = "Resource already exists"
NOT_MANAGED_REASON = (
    "This resource already exists but is not managed by ACK. To bring the resource under ACK management, you "
    "should explicitly adopt the resource by enabling the ResourceAdoption feature gate and populating the "
    "`services.k8s.aws/adoption-policy` and `services.k8s.aws/adoption-fields` annotations."
)


class Objects(Protocol):
    """Writes custom resources of one kind."""

    def patch(self, item: Json, body: Json) -> Json:
        """Merge the body into the object, and return it as it is then."""

    def patch_status(self, item: Json, status: Json) -> None:
        """Merge the status into the object's."""


class TerminalError(Exception):
    """Nothing will help but another spec. Takes the message and the reason."""


@dataclass(frozen=True)
class Scope:
    """Where a controller works, its account and region, and what deletion does where nothing is said."""

    account: str
    region: str
    deletion_policy: str = "delete"


@dataclass(frozen=True)
class Reconciler:
    """Reconciles one kind. `clients` gives a client for a region, `namespaces` a namespace's annotations."""

    kind: Kind
    scope: Scope
    objects: Objects
    clients: Callable[[str], "Client"]
    namespaces: Callable[[str], Mapping[str, str]]

    def handle(self, item: Json) -> bool:
        """Do what the object needs; False when it has to be tried again."""
        status: Json = {}
        settled = True
        try:
            if "deletionTimestamp" in item["metadata"]:
                self._delete(item)
                return True
            status = self._status(item, self._sync(item))
            conditions = [
                _condition("ACK.ResourceSynced", "True", SYNCED),
                _condition("Ready", "True", SYNCED),
            ]
        except TerminalError as error:
            message, reason = error.args
            conditions = [
                _condition("ACK.Terminal", "True", message),
                _condition("ACK.ResourceSynced", "False", NOT_SYNCED, reason),
                _condition("Ready", "False", message, "ACK.Terminal"),
            ]
        except (BotoCoreError, ClientError) as error:
            settled = False
            short, long = explain(error)
            conditions = [
                _condition("ACK.Recoverable", "True", short),
                _condition("ACK.ResourceSynced", "Unknown", UNKNOWN, long),
                _condition("Ready", "False", short, "ACK.Recoverable"),
            ]
        self._report(item, status, conditions)
        return settled

    def _sync(self, item: Json) -> Json:
        """Create, change or adopt; return what AWS has then."""
        client, managed = self._client(item), self.kind.finalizer in item["metadata"].get("finalizers", [])
        annotations = item["metadata"].get("annotations", {})
        adoption = "" if managed else annotations.get(PREFIX + "adoption-policy", "")
        spec = item.get("spec", {})
        if adoption and (fields := annotations.get(PREFIX + "adoption-fields")):
            spec = json.loads(fields) | spec
        if missing := [name for name in self.kind.identity if name not in spec]:
            raise TerminalError(
                f"spec.{missing[0]} is missing", "the stand-in controller resolves no references"
            )
        found = self.kind.find(client, spec)
        if found and adoption:
            item = self._adopt(item, spec if "spec" in item else found)
            spec, managed = item["spec"], True
        if found and not managed:
            raise TerminalError(NOT_MANAGED, NOT_MANAGED_REASON)
        if not found and adoption == "adopt":
            raise TerminalError("adopted resource not found", NOT_SYNCED)
        if not found:
            self._create(client, item, spec)
        elif not contains(found, spec):
            self.kind.put(client, spec)
        found = self.kind.find(client, spec) or {}
        # The real controller "late-initialises" the role, so that each later change needs iam:PassRole.
        if "roleARN" in found and "roleARN" not in spec:
            self.objects.patch(item, {"spec": {"roleARN": found["roleARN"]}})
        return found

    def _create(self, client: "Client", item: Json, spec: Json) -> None:
        item = self._finalize(item, present=True)
        try:
            self.kind.put(client, spec)
        except ClientError:
            # There is nothing in AWS, so nothing may hold up the object's deletion.
            self._finalize(item, present=False)
            raise

    def _adopt(self, item: Json, known: Json) -> Json:
        fields = (*self.kind.identity, "minCapacity", "maxCapacity", "policyType", "roleARN")
        configuration = [name for name in known if name.endswith("Configuration")]
        spec = {name: known[name] for name in (*fields, *configuration) if name in known}
        body = {"metadata": {"annotations": {PREFIX + "adopted": "true"}}, "spec": spec}
        return self._finalize(self.objects.patch(item, body), present=True)

    def _delete(self, item: Json) -> None:
        if self.kind.finalizer not in item["metadata"].get("finalizers", []):
            return
        client = self._client(item)
        if self._deletion_policy(item) == "delete" and self.kind.find(client, item["spec"]):
            self.kind.delete(client, self.kind.key(item["spec"]))
        self._finalize(item, present=False)

    def _finalize(self, item: Json, *, present: bool) -> Json:
        others = [name for name in item["metadata"].get("finalizers", []) if name != self.kind.finalizer]
        finalizers = [*others, self.kind.finalizer] if present else others
        return self.objects.patch(item, {"metadata": {"finalizers": finalizers}})

    def _deletion_policy(self, item: Json) -> str:
        service = "applicationautoscaling." + PREFIX
        return (
            item["metadata"].get("annotations", {}).get(PREFIX + "deletion-policy")
            or self.namespaces(item["metadata"]["namespace"]).get(service + "deletion-policy")
            or self.scope.deletion_policy
        )

    def _region(self, item: Json) -> str:
        return (
            item.get("status", {}).get("ackResourceMetadata", {}).get("region")
            or item["metadata"].get("annotations", {}).get(PREFIX + "region")
            or self.namespaces(item["metadata"]["namespace"]).get(PREFIX + "default-region")
            or self.scope.region
        )

    def _client(self, item: Json) -> "Client":
        return self.clients(self._region(item))

    def _status(self, item: Json, found: Json) -> Json:
        metadata = {"ownerAccountID": self.scope.account, "region": self._region(item)}
        metadata |= {"arn": found[self.kind.arn]} if self.kind.arn in found else {}
        times = {
            name: found[name].astimezone(UTC)
            for name in ("creationTime", "lastModifiedTime")
            if name in found
        }
        status: Json = {name: f"{time:%Y-%m-%dT%H:%M:%SZ}" for name, time in times.items()}
        alarms = {"alarms": found["alarms"]} if "alarms" in found else {}
        return status | alarms | {"ackResourceMetadata": metadata}

    def _report(self, item: Json, status: Json, conditions: list[Json]) -> None:
        before = {condition["type"]: condition for condition in item.get("status", {}).get("conditions", [])}
        for condition in conditions:
            old = before.get(condition["type"], {})
            if old.get("status") == condition["status"] and "lastTransitionTime" in old:
                condition["lastTransitionTime"] = old["lastTransitionTime"]
        status = status | {"conditions": conditions}
        if not contains(item.get("status", {}), status):
            self.objects.patch_status(item, status)


def _condition(kind: str, status: str, message: str, reason: str = "") -> Json:
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    condition = {"type": kind, "status": status, "message": message, "lastTransitionTime": now}
    return condition | ({"reason": reason} if reason else {})


def explain(error: Exception) -> tuple[str, str]:
    """Return an AWS error, short and long, in the words of the AWS SDK for Go that ACK's controllers use."""
    if not isinstance(error, ClientError):
        return str(error), str(error)
    short = f"api error {error.response['Error']['Code']}: {error.response['Error']['Message']}"
    metadata = error.response["ResponseMetadata"]
    code, request = metadata["HTTPStatusCode"], metadata.get("RequestId", "")
    where = f"operation error {error.operation_name}, https response error StatusCode: {code}"
    return short, f"{where}, RequestID: {request}, {short}"
