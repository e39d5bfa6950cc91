"""What `up` would send, as files: for reading, for reviewing, for doing the whole thing by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ackinstall import catalog, policies
from ackinstall.errors import AckinstallError, cannot_write
from ackinstall.kube import Manifest
from ackinstall.resources.bucket import Bucket
from ackinstall.resources.crds import Crds, marked
from ackinstall.resources.helm_release import HelmRelease
from ackinstall.resources.iam_role import IamRole

if TYPE_CHECKING:
    from ackinstall.facts import Facts
    from ackinstall.profile import Profile
    from ackinstall.target import Choice, Doors, Target

Files = Mapping[str, str]
"""Relative paths and contents."""


def files(target: "Target") -> Files:
    """Return every document of an installation."""
    found: dict[str, str] = {}
    for resource in target.resources:
        if isinstance(resource, IamRole):
            controller = resource.name == catalog.names(target.profile, target.facts).controller_role
            found["trust.json" if controller else f"{resource.name}/trust.json"] = _json(resource.trust)
            found |= {f"{resource.name}/{name}.json": _json(one) for name, one in resource.inline.items()}
            found[f"{resource.name}/managed-policies.txt"] = "".join(f"{arn}\n" for arn in resource.managed)
        elif isinstance(resource, Bucket):
            found[f"{resource.name}/policy.json"] = _json(resource.policy)
        elif isinstance(resource, HelmRelease):
            found[f"{resource.name}/values.yaml"] = yaml.safe_dump(dict(resource.values), sort_keys=False)
        elif isinstance(resource, Crds):
            found |= {
                f"crds/{one['metadata']['name']}.yaml": yaml.dump(
                    marked(one), Dumper=yaml.CSafeDumper, sort_keys=False
                )
                for one in resource.manifests
            }
    return found


def installer_policy(choice: "Choice", doors: "Doors", purpose: str) -> policies.Document:
    """Return the least IAM policy for `purpose` (see ackinstall.iam_policy), narrowed to the chosen cluster
    and the caller's account where a cluster is named, and to its issuer where it can be looked at; without
    one no call is made, and it fits any account.
    """
    from ackinstall import facts, iam_policy  # noqa: PLC0415 (start-up)
    from ackinstall.profile import load  # noqa: PLC0415 (same)

    profile = load(choice.profile or "default", choice.settings or ())
    if not choice.cluster:
        place = iam_policy.Place(region=choice.region or iam_policy.ANY)
        return iam_policy.document(profile, place, purpose)
    aws = doors.login(choice.aws_profile, choice.region)
    caller = facts.read_caller(aws)
    try:
        found = facts.find_cluster(aws, choice.cluster)
    except AckinstallError:  # who may not look at a cluster may ask what to be allowed for that
        found = None
    issuer = found.issuer_host if found else iam_policy.ANY
    place = iam_policy.place_of(caller.arn, aws.region, choice.cluster, issuer)
    return iam_policy.document(profile, place, purpose)


def write(documents: Files, folder: Path, other: str) -> list[str]:
    """Write the documents below `folder`; return the paths.

    Raises UsageError when that cannot be done; `other` is what to name instead (see cannot_write).
    """
    try:
        for name, text in documents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(error, other) from error
    return [str(folder / name) for name in documents]


def manifests(objects: Sequence[Manifest]) -> str:
    """Return Kubernetes objects as one YAML text that `kubectl apply -f` takes."""
    return yaml.safe_dump_all([dict(one) for one in objects], sort_keys=False)


def printed(documents: Files) -> list[str]:
    """Return the documents as one text; a single one stands alone, so that it can be piped."""
    if len(documents) == 1:
        return [next(iter(documents.values())).rstrip()]
    return [f"# {name}\n{text}" for name, text in documents.items()]


def outputs(profile: "Profile", facts: "Facts") -> dict[str, str]:
    """Return names and ARNs under the variable names of ACK's tutorials."""
    names = catalog.names(profile, facts)
    found = {
        "CLUSTER_NAME": facts.cluster.name,
        "SERVICE_REGION": facts.region,
        "AWS_ACCOUNT_ID": facts.account,
        "OIDC_PROVIDER_URL": facts.issuer_host,
        "ACK_K8S_NAMESPACE": profile.namespace,
        "OIDC_ROLE_NAME": names.controller_role,
        "IAM_ROLE_ARN_FOR_IRSA": names.controller_role_arn,
        "SAGEMAKER_EXECUTION_ROLE_NAME": names.execution_role,
        "SAGEMAKER_EXECUTION_ROLE_ARN": names.execution_role_arn,
        "SAGEMAKER_BUCKET": names.bucket,
    }
    return {key: value for key, value in found.items() if value}


def outputs_text(found: Mapping[str, str], form: str) -> str:
    """Return outputs as lines for a shell (`env`) or as a JSON object (`json`)."""
    if form == "json":
        return json.dumps(found, indent=2)
    return "\n".join(f"export {key}='{value}'" for key, value in found.items())


def _json(document: policies.Document) -> str:
    return json.dumps(document, indent=2) + "\n"
