"""The node's decisions, its processes and the identity that it gives."""

import base64
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ackinstall.sandbox.node import controller, identity_webhook, machine, pods, process

ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/controller"}
IMAGE = "public.ecr.aws/aws-controllers-k8s/sagemaker-controller:1.8.2"


def pod(**container: object) -> dict[str, Any]:
    """Return a pod with one container, of the SageMaker controller."""
    metadata = {"name": "p", "namespace": "ack-system", "uid": "u"}
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "controller", "image": IMAGE} | container]},
    }


class TestImages:
    @pytest.mark.parametrize(
        ("image", "service"),
        [
            (IMAGE, "sagemaker"),
            ("registry.example:5000/mine/iam-controller", "iam"),
            ("s3-controller@sha256:00", "s3"),
            ("public.ecr.aws/eks/pause:3.5", ""),
            ("registry.example/iam-controller/other:1", ""),
        ],
    )
    def test_name_their_service(self, image: str, service: str) -> None:
        assert pods.service_of(image) == service


class TestEnvironment:
    @pytest.mark.parametrize(
        ("text", "value"), [("$(A)-$(B)", "a-$(B)"), ("$$(A)", "$(A)"), ("$A", "$A"), ("--x=$(A)", "--x=a")]
    )
    def test_expands_as_the_kubelet_does(self, text: str, value: str) -> None:
        assert pods.expand(text, {"A": "a"}) == value

    def test_of_a_container(self) -> None:
        env = [
            {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "EMPTY"},
            {"name": "BOTH", "value": "$(NAMESPACE)/x"},
        ]
        subject = pod(env=env)
        assert pods.environment(subject, subject["spec"]["containers"][0]) == {
            "NAMESPACE": "ack-system",
            "EMPTY": "",
            "BOTH": "ack-system/x",
        }

    def test_an_unknown_source_is_named(self) -> None:
        subject = pod(env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
        with pytest.raises(ValueError, match="cannot give 'KEY' a value"):
            pods.environment(subject, subject["spec"]["containers"][0])


class TestIdentity:
    def test_is_added_where_the_role_is_named(self) -> None:
        container = identity_webhook.add_identity(pod(), ROLE, "us-west-2")["spec"]["containers"][0]
        assert {item["name"]: item["value"] for item in container["env"]} == {
            "AWS_STS_REGIONAL_ENDPOINTS": "regional",
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_REGION": "us-west-2",
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/controller",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        }

    def test_keeps_what_is_set_even_to_nothing(self) -> None:
        subject = pod(env=[{"name": "AWS_REGION", "value": ""}])
        env = identity_webhook.add_identity(subject, ROLE, "us-west-2")["spec"]["containers"][0]["env"]
        assert [item["value"] for item in env if item["name"] == "AWS_REGION"] == [""]

    def test_adding_it_twice_changes_nothing(self) -> None:
        once = identity_webhook.add_identity(pod(), ROLE, "us-west-2")
        assert identity_webhook.add_identity(once, ROLE, "us-west-2") == once

    def test_is_not_added_without_a_role(self) -> None:
        assert identity_webhook.add_identity(pod(), {}, "us-west-2") == pod()

    def test_its_token_is_what_the_process_reads(self, tmp_path: Path) -> None:
        changed = identity_webhook.add_identity(pod(), ROLE, "us-west-2")
        (token,) = pods.tokens(changed, tmp_path)
        assert (token.audience, token.seconds) == ("sts.amazonaws.com", 86400)
        mounted = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
        assert pods.localise(mounted, changed["spec"]["containers"][0], tmp_path) == str(token.path)
        assert pods.localise("/var/run/other", changed["spec"]["containers"][0], tmp_path) == "/var/run/other"

    @pytest.mark.parametrize("annotations", [ROLE, {}])
    def test_the_review_patches_only_what_changes(self, annotations: Mapping[str, str]) -> None:
        request = {"uid": "1", "namespace": "ack-system", "object": pod()}
        review = {"apiVersion": "admission.k8s.io/v1", "request": request}
        answer = identity_webhook.review(review, Cluster(annotations), "us-west-2")["response"]
        assert answer["allowed"]
        patch = json.loads(base64.b64decode(answer["patch"])) if "patch" in answer else []
        assert [item["path"] for item in patch] == (
            ["/spec/containers", "/spec/volumes"] if annotations else []
        )


class Cluster:
    """A client that knows one service account."""

    def __init__(self, annotations: Mapping[str, str]) -> None:
        self._annotations = annotations
        self.resources = self

    def get(self, **_: str) -> "Cluster":
        return self

    def to_dict(self) -> dict[str, Any]:
        return {"metadata": {"annotations": self._annotations}}


class TestController:
    def test_gets_the_pods_arguments_and_no_credentials_of_ours(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "HTTPS_PROXY", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, "ours")
        subject = pod(
            args=["--aws-region", "$(AWS_REGION)"], env=[{"name": "AWS_REGION", "value": "us-west-2"}]
        )
        settings = controller.Settings(
            "https://127.0.0.1:1",
            tmp_path / "ca.pem",
            "http://127.0.0.1:2",
            tmp_path,
            {"sagemaker": "run it"},
        )
        make = controller.controller_command(subject, subject["spec"]["containers"][0], tmp_path, settings)
        assert make
        command = make()
        assert command.arguments[:4] == ["run", "it", "--aws-region", "us-west-2"]
        assert "--allow-unsafe-aws-endpoint-urls" in command.arguments
        assert "ours" not in command.environment.values()
        assert command.environment["AWS_ENDPOINT_URL_STS"] == "http://127.0.0.1:2"
        assert (tmp_path / "sagemaker.log").readlink() == Path("ack-system_p_controller.log")
        kubeconfig = json.loads(Path(command.environment["KUBECONFIG"]).read_text())
        assert kubeconfig["users"][0]["user"] == {}  # nothing is mounted, so nobody is logged in

    def test_is_none_for_other_images(self, tmp_path: Path) -> None:
        settings = controller.Settings("", tmp_path, "", tmp_path, {"iam": "run"})
        subject = pod()
        assert not controller.controller_command(
            subject, subject["spec"]["containers"][0], tmp_path, settings
        )


class TestStatus:
    NOW = 1_700_000_000.0

    def status(self, state: pods.State, before: dict[str, Any] | None = None) -> dict[str, Any]:
        subject = pod() | ({"status": before} if before else {})
        return pods.pod_status(subject, [state], "127.0.0.1", self.NOW)

    def test_of_a_new_pod(self) -> None:
        status = self.status(pods.State(reason="ContainerCreating"))
        assert status["phase"] == "Pending"
        assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"

    def test_of_a_crash(self) -> None:
        last = pods.Exit(1, self.NOW - 2, self.NOW - 1)
        (container,) = self.status(pods.State(reason="CrashLoopBackOff", restarts=3, last=last))[
            "containerStatuses"
        ]
        assert (container["restartCount"], container["ready"]) == (3, False)
        assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert container["lastState"]["terminated"]["exitCode"] == 1

    def test_a_condition_keeps_the_time_of_its_change(self) -> None:
        before = self.status(pods.State(started=self.NOW))
        before["conditions"] = [item | {"lastTransitionTime": "then"} for item in before["conditions"]]
        conditions = self.status(pods.State(started=self.NOW, ready=True), before)["conditions"]
        since = {item["type"]: item["lastTransitionTime"] for item in conditions}
        assert (since["PodScheduled"], since["Ready"]) == ("then", "2023-11-14T22:13:20Z")


class TestScheduling:
    """A pod waits for a node as the real scheduler lets it, with its words."""

    NODE = machine.node_object("us-west-2")

    @pytest.mark.parametrize(
        ("requests", "others", "why"),
        [
            ({"cpu": "2", "memory": "8Gi"}, 0, ""),
            ({"cpu": "2001m"}, 0, "1 Insufficient cpu"),
            ({"memory": "9Gi"}, 0, "1 Insufficient memory"),
            ({"cpu": "500m"}, 3, ""),
            ({"cpu": "500m"}, 4, "1 Insufficient cpu"),
            ({}, 29, "1 Insufficient pods"),
            ({"nvidia.com/gpu": "1"}, 0, ""),
        ],
    )
    def test_needs_room(self, requests: dict[str, str], others: int, why: str) -> None:
        subject = pod(resources={"requests": requests})
        assert pods.misfits(subject, self.NODE, [subject] * others) == why

    def test_follows_the_selector(self) -> None:
        subject = pod()
        subject["spec"]["nodeSelector"] = {"kubernetes.io/os": "linux"}
        assert pods.misfits(subject, self.NODE, []) == ""
        subject["spec"]["nodeSelector"] = {"kubernetes.io/arch": "arm64"}
        why = pods.misfits(subject, self.NODE, [])
        assert why == "1 node(s) didn't match Pod's node affinity/selector"
        status = pods.unscheduled(why, 0)
        assert status["conditions"][0]["message"] == f"0/1 nodes are available: {why}."
        assert not pods.is_unscheduled(subject, why)
        assert pods.is_unscheduled(subject | {"status": status}, why)


class TestPulling:
    """An image whose registry cannot be is tried, then backed off from."""

    def test_what_cannot_be_had(self) -> None:
        image = "registry.invalid/sagemaker-controller:1"
        first, then = (pods.pulling(image, 0, now) for now in (0.5, 1.5))
        assert first
        assert then
        assert (first.reason, then.reason) == ("ErrImagePull", "ImagePullBackOff")
        assert "lookup registry.invalid: no such host" in then.message
        status = pods.pod_status(pod(image=image), [then], "127.0.0.1", 0)
        assert status["phase"] == "Pending"

    def test_all_else_is_there(self) -> None:
        assert pods.pulling(IMAGE, 0, 5) is None


class TestProcess:
    @pytest.mark.parametrize(
        ("previous", "ran", "wait"), [(0, 0, 1), (1, 5, 2), (16, 5, 30), (30, 5, 30), (30, 60, 1)]
    )
    def test_back_off(self, previous: float, ran: float, wait: float) -> None:
        assert process.next_backoff(previous, ran) == wait

    def container(self, folder: Path, code: str) -> process.Container:
        command = process.Command([sys.executable, "-c", code], {}, folder, folder / "log")
        return process.Container(lambda: command)

    def end(self, subject: process.Container) -> None:
        subject.stop()
        while subject.running():
            time.sleep(0.01)

    def test_a_crash_waits_and_starts_again(self, tmp_path: Path) -> None:
        subject = self.container(tmp_path, "print('why', flush=True); raise SystemExit(3)")
        now = time.time()
        assert subject.observe(now).ready
        while not subject.observe(now).reason:
            time.sleep(0.01)
        state = subject.observe(now + 0.9)
        assert (state.reason, state.restarts, state.last and state.last.code) == ("CrashLoopBackOff", 0, 3)
        assert subject.observe(now + 1).restarts == 1
        assert "why" in (tmp_path / "log").read_text()
        self.end(subject)

    def test_ends_when_told(self, tmp_path: Path) -> None:
        subject = self.container(tmp_path, "import time; time.sleep(60)")
        subject.observe(time.time())
        assert subject.running()
        self.end(subject)

    def test_what_cannot_start_says_so(self, tmp_path: Path) -> None:
        command = process.Command([str(tmp_path / "missing")], {}, tmp_path, tmp_path / "log")
        state = process.Container(lambda: command).observe(time.time())
        assert state.reason == "CreateContainerConfigError"
        assert "missing" in state.message
