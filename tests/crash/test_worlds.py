"""Random walks through worlds in which things are ours, foreign, half made, shared or Terminating.

Whatever happened before: foreign things are never touched; after `up` the plan is empty; after `down` nothing
of ours is left but what somebody else needs.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.aws import ACCOUNT, REGION, InProcessAws, issuer_of
from support.cluster import CRD, DEPLOYMENT, NAMESPACE
from support.world import World

from ackinstall.errors import Refused
from ackinstall.kube import MANAGED, Ref

ROLE = "ack-controller-role-demo"
EXECUTION_ROLE = f"ack-sagemaker-execution-role-{ACCOUNT}"
BUCKET = f"ack-sagemaker-bucket-{ACCOUNT}"
ISSUER = issuer_of("demo").removeprefix("https://")
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
OTHER = f"ackinstall:{REGION}/other"
SYSTEM = "ack-system"
GROUP = "sagemaker.services.k8s.aws"


class Worlds(RuleBasedStateMachine):
    """One cluster, and everything that may happen to it between two runs."""

    aws: InProcessAws

    def __init__(self) -> None:
        super().__init__()
        self.aws.reset()
        self.world = World(self.aws)
        self.foreign: dict[str, tuple[Callable[[], Any], Any]] = {}
        self.numbers = 0
        self.world.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})

    # what others do

    @rule(where=st.sampled_from(["default", SYSTEM]))
    def somebody_makes_a_config_map(self, where: str) -> None:
        """An object that is not ours, perhaps in our namespace."""
        if self._is_there(Ref(*NAMESPACE, where)):
            self._make(Ref("v1", "ConfigMap", f"theirs-{self._next()}", where))

    @precondition(lambda self: not self._is_there(Ref(*NAMESPACE, SYSTEM)))
    @rule()
    def somebody_makes_our_namespace(self) -> None:
        """The namespace exists before us, and is used."""
        self._make(Ref(*NAMESPACE, SYSTEM))

    @precondition(lambda self: PROVIDER not in self.aws.inventory()["providers"])
    @rule()
    def somebody_makes_the_provider(self) -> None:
        """As eksctl does: it fits, so it is used, and left."""
        iam = self.aws.client("iam")
        iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"])
        self._note(PROVIDER, lambda: self.aws.inventory()["providers"].get(PROVIDER))

    @rule()
    def somebody_trusts_the_provider(self) -> None:
        """A role of somebody else that lives by the cluster's provider."""
        name = f"theirs-{self._next()}"
        document = _trusting({"Federated": PROVIDER})
        self.aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
        self._note(f"role {name}", lambda: self.aws.inventory()["roles"].get(name))

    @rule()
    def another_cluster_shares(self) -> None:
        """The marks of a second cluster on what clusters share."""
        if EXECUTION_ROLE in self.aws.inventory()["roles"]:
            tag = [{"Key": OTHER, "Value": "user"}]
            self.aws.client("iam").tag_role(RoleName=EXECUTION_ROLE, Tags=tag)

    @rule()
    def the_other_cluster_leaves(self) -> None:
        """The second cluster does not need it any more."""
        if EXECUTION_ROLE in self.aws.inventory()["roles"]:
            self.aws.client("iam").untag_role(RoleName=EXECUTION_ROLE, TagKeys=[OTHER])

    @rule()
    def another_controller_is_installed(self) -> None:
        """The definitions of another ACK controller."""
        name = "roles.iam.services.k8s.aws"
        names = {"kind": "Role", "plural": "roles"}
        version = {"name": "v1alpha1", "served": True, "storage": True}
        spec = {"group": "iam.services.k8s.aws", "names": names, "versions": [version], "scope": "Namespaced"}
        if not self._is_there(Ref(*CRD, name)):
            self._make(Ref(*CRD, name), spec=spec)

    # what users of ours do

    @rule(where=st.sampled_from(["default", "team"]))
    def a_user_makes_a_model(self, where: str) -> None:
        """A custom resource, with its controller's finalizer."""
        if not self.world.cluster.knows(f"{GROUP}/v1alpha1", "Model") or not self._is_there(
            Ref(*NAMESPACE, where)
        ):
            return
        name = f"model-{self._next()}"
        metadata = {"name": name, "namespace": where, "finalizers": [f"finalizers.{GROUP}/Model"]}
        spec = {"modelName": name}
        self.world.cluster.create(
            {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Model", "metadata": metadata, "spec": spec}
        )

    @rule()
    def a_user_deletes_the_namespace_of_models(self) -> None:
        """It is Terminating for as long as its models are held."""
        self._end(Ref(*NAMESPACE, "team"))

    @rule(
        what=st.sampled_from(
            [
                "role policy",
                "trust",
                "provider",
                "release",
                "deployment",
                "receipt",
                "bucket",
                "definition",
                "namespace",
            ]
        )
    )
    def something_of_ours_is_spoilt(self, what: str) -> None:
        """Half an installation, as a killed run or a meddling hand leaves it."""
        iam, found = self.aws.client("iam"), self.aws.inventory()
        if what == "role policy" and found["roles"].get(ROLE, {}).get("inline"):
            iam.delete_role_policy(RoleName=ROLE, PolicyName=min(found["roles"][ROLE]["inline"]))
        if what == "trust" and ROLE in found["roles"]:
            iam.update_assume_role_policy(
                RoleName=ROLE, PolicyDocument=_trusting({"Service": "ec2.amazonaws.com"})
            )
        if what == "provider" and PROVIDER in found["providers"] and PROVIDER not in self.foreign:
            iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
        if what == "bucket" and BUCKET in found["buckets"]:
            self.aws.client("s3").delete_bucket(Bucket=BUCKET)
        if what == "receipt":
            self._end(Ref("v1", "ConfigMap", "ackinstall", SYSTEM))
        if what == "release":
            self.world.opened().helm.uninstall("ack-sagemaker-controller", SYSTEM)
        if what == "deployment":
            for one in self.world.cluster.list(*DEPLOYMENT, SYSTEM)[:1]:
                self._end(Ref(*DEPLOYMENT, one["metadata"]["name"], SYSTEM))

    # what we do

    @precondition(lambda self: not self._models() or self._is_there(Ref(*CRD, f"models.{GROUP}")))
    @rule()
    def up(self) -> None:
        """After `up` nothing is left to do. (A definition that is being deleted waits for a person.)"""
        outcome = self.world.up(timeout=20)
        assert not outcome.failures
        assert self.world.plan() == []

    @rule(way=st.sampled_from(["refuse", "delete", "retain"]))
    def down(self, way: str) -> None:
        """A teardown is refused only for models that nobody would take back; else nothing of ours is left."""
        before, models = copy.deepcopy(self.world.inventory()), self._models()
        needed = self._needed_by_others()
        has_controller = any("sagemaker" in one["metadata"]["name"] for one in self._available())
        try:
            outcome = self.world.down(way=way, timeout=20)
        except Refused:
            assert models
            assert way == "refuse" or (way == "delete" and not has_controller)
            assert self.world.inventory() == before
            return
        assert not outcome.failures
        assert not self._models()
        assert self._ours() == needed
        assert self.world.plan(self.world.to_remove(way=way), present=False) == []

    @invariant()
    def foreign_things_are_untouched(self) -> None:
        """Whatever we do."""
        for name, (look, wanted) in self.foreign.items():
            assert look() == wanted, name

    # looks

    def _next(self) -> int:
        self.numbers += 1
        return self.numbers

    def _is_there(self, ref: Ref) -> bool:
        found = self.world.cluster.get(ref)
        return found is not None and "deletionTimestamp" not in found["metadata"]

    def _end(self, ref: Ref) -> None:
        if self._is_there(ref):
            self.world.cluster.delete(ref)

    def _make(self, ref: Ref, **content: Any) -> None:  # noqa: ANN401 (JSON)
        metadata = {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {})}
        self.world.cluster.create(
            {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, **content}
        )
        self.world.cluster.get(ref)
        self._note("/".join(ref), lambda: self.world.cluster.get(ref))

    def _note(self, name: str, look: Callable[[], Any]) -> None:
        self.foreign[name] = (look, copy.deepcopy(look()))

    def _models(self) -> list[Any]:
        return self.world.cluster.list(f"{GROUP}/v1alpha1", "Model")

    def _available(self) -> list[Any]:
        found = self.world.cluster.list(*DEPLOYMENT, SYSTEM)
        return [one for one in found if one.get("status", {}).get("availableReplicas")]

    def _ours(self) -> set[str]:
        """Return what carries our mark; CRDs of the shared group as one."""
        found = self.aws.inventory()
        marked = {name for name, role in found["roles"].items() if "ackinstall" in role["tags"]}
        marked |= {name for name, one in found["providers"].items() if "ackinstall" in one["tags"]}
        marked |= {name for name, one in found["buckets"].items() if "ackinstall" in one["tags"]}
        for ref, one in self.world.cluster.objects():
            if (one["metadata"].get("labels") or {}).get(MANAGED) == "true":
                marked.add("shared definitions" if ref[:2] == CRD else ref.kind)
        return marked

    def _needed_by_others(self) -> set[str]:
        """Return what of ours has to stay."""
        found, needed = self.aws.inventory(), set()
        if OTHER in found["roles"].get(EXECUTION_ROLE, {}).get("tags", {}):
            needed.add(EXECUTION_ROLE)
        if any(name.startswith("role ") for name in self.foreign) and found["providers"].get(
            PROVIDER, {}
        ).get("tags"):
            needed.add(PROVIDER)
        namespace = self.world.cluster.get(Ref(*NAMESPACE, SYSTEM))
        if namespace and any(f"/{SYSTEM}" in name for name in self.foreign):
            needed |= {"Namespace"} if (namespace["metadata"].get("labels") or {}).get(MANAGED) else set()
        shared = self.world.cluster.get(Ref(*CRD, "fieldexports.services.k8s.aws"))
        if shared and any(name.endswith("iam.services.k8s.aws/") for name in self.foreign):
            needed.add("shared definitions")
        return needed


def _trusting(principal: dict[str, str]) -> str:
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def test_worlds(in_process_aws: InProcessAws) -> None:
    """No walk breaks a rule."""

    class Here(Worlds):
        aws = in_process_aws

    walks = settings(
        max_examples=12,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(Here, settings=walks)
