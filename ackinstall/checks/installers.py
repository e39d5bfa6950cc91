"""Who has installed a Deployment, by the marks that they leave, and how it is removed so that it stays away.
Pure.

https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
https://fluxcd.io/flux/components/helm/helmreleases/, https://fluxcd.io/flux/components/kustomize/kustomizations/
https://olm.operatorframework.io/docs/tasks/uninstall-operator/
"""

from collections.abc import Iterable
from typing import NamedTuple

from ackinstall.checks.context import NOTED
from ackinstall.checks.objects import annotations_of, labels_of, name_of
from ackinstall.kube import Manifest
from ackinstall.target import Choice

OLM = "olm.owner"
ARGO_CD = "argocd.argoproj.io/tracking-id"
FLUX_HELM = "helm.toolkit.fluxcd.io"
FLUX_KUSTOMIZE = "kustomize.toolkit.fluxcd.io"


class Installer(NamedTuple):
    """Who it was, as a clause, and what removes what they installed."""

    told: str
    removal: str


def installer_of(deployment: Manifest, others: Iterable[Manifest], choice: Choice) -> Installer:
    """Return who has installed a Deployment; `others` are those of ACK controllers, which may have come with
    it.
    """
    labels, namespace = labels_of(deployment), deployment["metadata"]["namespace"]
    if OLM in labels:
        owner = labels[OLM]
        return Installer(
            f"by the Operator Lifecycle Manager, '{owner}'",
            f"delete its Subscription, which `{choice.kubectl} get subscriptions --namespace {namespace}` "
            f"names, then run `{choice.kubectl} delete csv {owner} --namespace {namespace}`",
        )
    if ARGO_CD in annotations_of(deployment):
        application = annotations_of(deployment)[ARGO_CD].partition(":")[0].rpartition("_")[2]
        return Installer(
            f"by Argo CD, '{application}'",
            "take it out of what the Application applies, or remove all of it with "
            f"`argocd app delete {application}`",
        )
    if f"{FLUX_HELM}/name" in labels:
        return _of_flux("helmrelease", labels[f"{FLUX_HELM}/name"], labels.get(f"{FLUX_HELM}/namespace", ""))
    if f"{FLUX_KUSTOMIZE}/name" in labels:
        return _of_flux(
            "kustomization", labels[f"{FLUX_KUSTOMIZE}/name"], labels.get(f"{FLUX_KUSTOMIZE}/namespace", "")
        )
    if NOTED in annotations_of(deployment):
        return _of_helm(deployment, others, choice)
    return Installer(
        "by manifests",
        f"remove it with `{choice.kubectl} delete deployment {name_of(deployment)} --namespace {namespace}`",
    )


def _of_flux(kind: str, name: str, namespace: str) -> Installer:
    place = f" --namespace {namespace}" if namespace else ""
    return Installer(
        f"by Flux, {kind} '{name}'",
        f"take it out of the repository that Flux applies, which brings it back otherwise; "
        f"`flux get {kind}s {name}{place}` shows it",
    )


def _of_helm(deployment: Manifest, others: Iterable[Manifest], choice: Choice) -> Installer:
    release, namespace = annotations_of(deployment)[NOTED], deployment["metadata"]["namespace"]
    with_it = sorted(
        name_of(one)
        for one in others
        if name_of(one) != name_of(deployment)
        and one["metadata"]["namespace"] == namespace
        and annotations_of(one).get(NOTED) == release
    )
    removal = f"remove it with `{choice.helm} uninstall {release} --namespace {namespace}`"
    if with_it:
        removal = (
            f"switch this one off in the values of the release, which has '{with_it[0]}' too: "
            f"`{choice.helm} get values {release} --namespace {namespace}` shows them"
        )
    return Installer(
        f"Helm release '{release}'",
        f"{removal}; where Terraform or another pipeline keeps the release, take it out there first",
    )
