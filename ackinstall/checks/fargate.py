"""Fargate: its nodes, each of which runs one pod of a chosen namespace and no other, and what chooses it.

https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html
"""

import fnmatch
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ackinstall.checks.context import Context
from ackinstall.checks.objects import labels_of
from ackinstall.facts import settled
from ackinstall.kube import Manifest

COMPUTE_TYPE = "eks.amazonaws.com/compute-type"


def is_fargate(node: Manifest) -> bool:
    """Tell whether a node is Fargate's."""
    return labels_of(node).get(COMPUTE_TYPE) == "fargate"


def selectors(context: Context) -> Iterator[Mapping[str, Any]]:
    """Yield the selectors of the cluster's active Fargate profiles: a `namespace`, and `labels`."""
    eks = context.clients.aws.client("eks")
    pages = eks.get_paginator("list_fargate_profiles").paginate(clusterName=context.cluster)
    for name in settled(lambda: [one for page in pages for one in page["fargateProfileNames"]], "eks"):
        request = {"clusterName": context.cluster, "fargateProfileName": name}
        profile = settled(partial(eks.describe_fargate_profile, **request), "eks")["fargateProfile"]
        if profile["status"] == "ACTIVE":
            yield from profile["selectors"]


def takes(selector: Mapping[str, Any], namespace: str, pod: Mapping[str, str]) -> bool:
    """Tell whether a selector, which may have the wildcards `*` and `?`, chooses the pods of `namespace` that
    have the labels `pod`.
    """
    wanted: Mapping[str, str] = selector.get("labels") or {}
    return fnmatch.fnmatchcase(namespace, selector["namespace"]) and all(
        any(fnmatch.fnmatchcase(key, k) and fnmatch.fnmatchcase(value, v) for key, value in pod.items())
        for k, v in wanted.items()
    )
