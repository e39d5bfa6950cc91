"""The stand-in controller against moto, with custom resources in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from ackinstall.sandbox.autoscaling import __main__ as program
from ackinstall.sandbox.autoscaling import kinds, loop
from ackinstall.sandbox.autoscaling.reconciler import Reconciler, Scope

Json = dict[str, Any]
TARGET = {
    "serviceNamespace": "sagemaker",
    "resourceID": "endpoint/e/variant/v",
    "scalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
FINALIZER = "finalizers.applicationautoscaling.services.k8s.aws/ScalableTarget"


@dataclass
class World:
    """One custom resource, the account, and a namespace's annotations."""

    client: Any
    item: Json
    namespace: Json = field(default_factory=dict)
    kind: kinds.Kind = kinds.SCALABLE_TARGET

    def patch(self, item: Json, body: Json) -> Json:
        merge(item, body)
        return item

    def patch_status(self, item: Json, status: Json) -> None:
        merge(item, {"status": status})

    def handle(self) -> bool:
        scope = Scope("123456789012", "us-west-2")
        return Reconciler(self.kind, scope, self, lambda _: self.client, lambda _: self.namespace).handle(
            self.item
        )

    def found(self) -> Any:  # noqa: ANN401
        return self.kind.find(self.client, TARGET | self.item.get("spec", {}))

    def conditions(self) -> Json:
        return {item["type"]: item for item in self.item["status"]["conditions"]}


def merge(old: Json, new: Json) -> None:
    """Do what a JSON merge patch does."""
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            merge(old[key], value)
        else:
            old[key] = value


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Return an empty account, and a scalable target that nobody has seen."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("application-autoscaling", region_name="us-west-2")
        item = {
            "metadata": {"name": "t", "namespace": "default"},
            "spec": TARGET | {"minCapacity": 1, "maxCapacity": 3},
        }
        yield World(client, item)


class TestReconciler:
    def test_creates_and_reports(self, world: World) -> None:
        assert world.handle()
        assert world.found()["maxCapacity"] == 3
        assert world.item["metadata"]["finalizers"] == [FINALIZER]
        assert {kind: item["status"] for kind, item in world.conditions().items()} == {
            "ACK.ResourceSynced": "True",
            "Ready": "True",
        }
        assert (
            world.item["status"]["ackResourceMetadata"].items()
            >= {
                "ownerAccountID": "123456789012",
                "region": "us-west-2",
            }.items()
        )

    def test_changes_what_differs(self, world: World) -> None:
        world.handle()
        world.item["spec"]["maxCapacity"] = 5
        assert world.handle()
        assert world.found()["maxCapacity"] == 5

    def test_reconciles_a_policy(self, world: World) -> None:
        world.handle()
        configuration = {
            "targetValue": 60,
            "scaleInCooldown": 700,
            "predefinedMetricSpecification": {
                "predefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        }
        world.kind = kinds.SCALING_POLICY
        world.item = {
            "metadata": {"name": "p", "namespace": "default"},
            "spec": TARGET
            | {
                "policyName": "p",
                "policyType": "TargetTrackingScaling",
                "targetTrackingScalingPolicyConfiguration": configuration,
            },
        }
        assert world.handle()
        assert kinds.contains(world.found(), world.item["spec"])
        world.item["metadata"]["deletionTimestamp"] = "now"
        assert world.handle()
        assert not world.found()

    def test_deletes(self, world: World) -> None:
        world.handle()
        world.item["metadata"]["deletionTimestamp"] = "now"
        assert world.handle()
        assert not world.found()
        assert world.item["metadata"]["finalizers"] == []

    @pytest.mark.parametrize(
        ("namespace", "annotation", "kept"),
        [
            ({}, {"services.k8s.aws/deletion-policy": "retain"}, True),
            ({"applicationautoscaling.services.k8s.aws/deletion-policy": "retain"}, {}, True),
            (
                {"applicationautoscaling.services.k8s.aws/deletion-policy": "retain"},
                {"services.k8s.aws/deletion-policy": "delete"},
                False,
            ),
        ],
    )
    def test_keeps_what_is_to_be_retained(
        self, world: World, namespace: Json, annotation: Json, *, kept: bool
    ) -> None:
        world.handle()
        world.namespace = namespace
        world.item["metadata"] |= {"deletionTimestamp": "now", "annotations": annotation}
        assert world.handle()
        assert bool(world.found()) == kept
        assert world.item["metadata"]["finalizers"] == []

    def test_what_exists_is_not_taken(self, world: World) -> None:
        world.client.register_scalable_target(**kinds.to_aws(TARGET), MinCapacity=1, MaxCapacity=9)
        assert world.handle()
        assert world.conditions()["ACK.Terminal"]["message"] == "Resource already exists"
        assert "finalizers" not in world.item["metadata"]
        assert world.found()["maxCapacity"] == 9

    def test_what_exists_is_adopted_on_demand(self, world: World) -> None:
        world.client.register_scalable_target(**kinds.to_aws(TARGET), MinCapacity=1, MaxCapacity=9)
        del world.item["spec"]
        world.item["metadata"]["annotations"] = {
            "services.k8s.aws/adoption-policy": "adopt",
            "services.k8s.aws/adoption-fields": str(TARGET).replace("'", '"'),
        }
        assert world.handle()
        assert world.item["spec"]["maxCapacity"] == 9
        assert world.item["metadata"]["annotations"]["services.k8s.aws/adopted"] == "true"

    def test_a_refused_create_is_tried_again_and_holds_nothing_up(self, world: World) -> None:
        def refuse(*_: object) -> NoReturn:
            error = {"Code": "AccessDeniedException", "Message": "no, never"}
            answer = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError(answer, "RegisterScalableTarget")  # type: ignore[arg-type]

        world.kind = replace(kinds.SCALABLE_TARGET, put=refuse)
        assert not world.handle()
        assert (
            world.conditions()["ACK.Recoverable"]["message"] == "api error AccessDeniedException: no, never"
        )
        assert world.conditions()["Ready"]["reason"] == "ACK.Recoverable"
        assert world.item["metadata"]["finalizers"] == []

    def test_a_reference_is_not_resolved(self, world: World) -> None:
        del world.item["spec"]["resourceID"]
        assert world.handle()
        assert world.conditions()["ACK.Terminal"]["message"] == "spec.resourceID is missing"


class TestLoop:
    def test_the_loop_backs_off_and_forgets_it(self, world: World) -> None:
        done = loop.Done()
        for wait in (0.5, 1, 2, 4, 8, 16, 30, 30):
            done = loop.after(done, world.item, 100, 36000, settled=False)
            assert done.due == 100 + wait
        assert loop.after(done, world.item, 100, 36000, settled=True) == loop.Done(
            loop.version(world.item), 0, 36100
        )


class TestProgram:
    def test_a_missing_region_ends_the_program(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.delenv("AWS_REGION", raising=False)
        with pytest.raises(SystemExit, match="1"):
            program.parse(["--aws-region", "", "--enable-carm=true"])
        assert "AWS region is missing. Please pass --aws-region flag" in caplog.text
