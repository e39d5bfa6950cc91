"""What is true of the target and does not change in a run: account, partition, cluster, charts.

Everything else that the installer needs (names, ARNs, values) follows from these and the profile.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import tenacity
import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ackinstall.clients import Aws, Clients
from ackinstall.errors import AckinstallError, Retry, UsageError, aws_code, translate
from ackinstall.helm import Helm
from ackinstall.kube import Manifest, Ref
from ackinstall.profile import Controller
from ackinstall.resources.crds import API, SHARED

T = TypeVar("T")
ANY = ">=0"
"""The range of all versions."""


class Caller(NamedTuple):
    """The identity at work: its ARN, and by how many seconds our clock is ahead of AWS's."""

    arn: str
    ahead: float

    @property
    def account(self) -> str:
        """The account's number."""
        return self.arn.split(":")[4]


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An EKS cluster; `ca` is PEM, `issuer` the https address of its OIDC issuer."""

    name: str
    arn: str
    version: str
    endpoint: str
    ca: bytes
    issuer: str
    is_updating: bool = False

    @property
    def issuer_host(self) -> str:
        """The issuer as IAM writes it: without the scheme and a slash at the end."""
        return self.issuer.removeprefix("https://").rstrip("/")


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A pulled chart: `label` is NAME-VERSION, `digest` covers all files, `folder` has the Chart.yaml."""

    label: str
    version: str
    digest: str
    folder: Path
    values: Mapping[str, Any]
    schema: Mapping[str, Any]
    crds: tuple[Manifest, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The target. `caller` is the ARN of the identity at work; `charts` are by service."""

    account: str
    partition: str
    region: str
    caller: str
    cluster: Cluster
    charts: Mapping[str, Chart]

    @property
    def owner(self) -> str:
        """How our marks name this cluster."""
        return f"{self.region}/{self.cluster.name}"

    @property
    def issuer_host(self) -> str:
        """See Cluster."""
        return self.cluster.issuer_host

    def iam_arn(self, resource: str) -> str:
        """Return the ARN of an IAM object of this account, such as `role/NAME`."""
        return f"arn:{self.partition}:iam::{self.account}:{resource}"


WORKING = ("ACTIVE", "UPDATING")
"""The states in which a cluster's API server works; one that is updated is replaced behind its address:
https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html"""


def settled(read: Callable[[], T], doing: str, seconds: float = 20) -> T:
    """Return what `read` gives, asking again while the answer is "later", for some seconds.

    Raises AckinstallError.
    """

    def once() -> T:
        try:
            return read()
        except Exception as error:
            raise translate(error, doing) from error

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retry),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=3),
        stop=tenacity.stop_after_delay(seconds),
        reraise=True,
    )(once)


def read_caller(aws: Aws) -> Caller:
    """Return the identity at work."""
    answer = settled(lambda: aws.client("sts").get_caller_identity(), "sts")
    return Caller(answer["Arn"], ahead(answer))


def ahead(answer: Mapping[str, Any]) -> float:
    """Return by how many seconds our clock is ahead of that which dated an answer of AWS, as boto3 gives it,
    or a refusal; 0 where it has no date.
    """
    told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return time.time() - parsedate_to_datetime(told).timestamp() if told else 0.0


def find_cluster(aws: Aws, name: str) -> Cluster | None:
    """Return the EKS cluster `name`, or None. Raises AckinstallError when it does not work."""
    eks = aws.client("eks")

    def describe() -> Mapping[str, Any] | None:
        try:
            answer: Mapping[str, Any] = eks.describe_cluster(name=name)["cluster"]
        except Exception as error:
            if aws_code(error) == "ResourceNotFoundException":
                return None
            raise
        return answer

    found = settled(describe, f"cluster '{name}'")
    if found is None:
        return None
    if "connectorConfig" in found:
        raise UsageError(
            "connected-cluster",
            f"the cluster '{name}' is only registered with EKS: it has no OIDC issuer that IAM could believe",
            f"name one that EKS runs: `aws eks list-clusters --region {aws.region}` shows them",
        )
    if found["status"] not in WORKING:
        end = "deleted" if found["status"] == "DELETING" else "active"
        raise AckinstallError(
            "cluster-not-active",
            f"the cluster '{name}' is {found['status']}",
            f"run `aws eks wait cluster-{end} --name {name} --region {aws.region}`, then the same again",
        )
    return Cluster(
        name=name,
        arn=found["arn"],
        version=found["version"],
        endpoint=found["endpoint"],
        ca=base64.b64decode(found["certificateAuthority"]["data"]),
        issuer=found["identity"]["oidc"]["issuer"],
        is_updating=found["status"] == "UPDATING",
    )


def gone(aws: Aws, caller: str, name: str) -> "Facts":
    """Return what can be known of a cluster `name` that does not exist any more; `caller` is an ARN."""
    _, partition, _, _, account, _ = caller.split(":", 5)
    arn = f"arn:{partition}:eks:{aws.region}:{account}:cluster/{name}"
    cluster = Cluster(name=name, arn=arn, version="", endpoint="", ca=b"", issuer="")
    return of(aws, caller, cluster, {})


def no_cluster(aws: Aws, name: str) -> UsageError:
    """Return the error for a cluster that is not there; it names those that are."""
    pages = aws.client("eks").get_paginator("list_clusters").paginate()
    names = settled(lambda: sorted(one for page in pages for one in page["clusters"]), "the clusters")
    there = f"there are {', '.join(repr(one) for one in names)}" if names else "there is none at all"
    return UsageError(
        "unknown-cluster",
        f"there is no cluster '{name}' in the region '{aws.region}'; {there}",
        "add `--region REGION` when it is in another one",
    )


def of(aws: Aws, caller: str, cluster: Cluster, charts: Mapping[str, Chart]) -> Facts:
    """Return the facts; account and partition are read off the cluster's ARN."""
    _, partition, _, region, account, _ = cluster.arn.split(":", 5)
    if region != aws.region:
        raise UsageError(
            "wrong-region", f"the cluster is in '{region}', not in '{aws.region}'", f"add `--region {region}`"
        )
    return Facts(
        account=account, partition=partition, region=region, caller=caller, cluster=cluster, charts=charts
    )


def pull_charts(
    controllers: Sequence[Controller], helm: Helm, directory: Path, versions: Mapping[str, str]
) -> dict[str, Chart]:
    """Return the chart of each controller, by service, pulled side by side below `directory`.

    `versions` has, by service, exact ones; the others are the newest in the profile's range.
    """

    def pull(controller: Controller) -> Chart:
        version = versions.get(controller.service, "")
        folder = directory / controller.service / (version or "newest")
        return settled(lambda: _pull(controller, version, helm, folder), controller.chart)

    with ThreadPoolExecutor(8) as pool:
        return dict(zip((one.service for one in controllers), pool.map(pull, controllers), strict=True))


def newest_versions(controllers: Sequence[Controller], helm: Helm) -> dict[str, tuple[str, str]]:
    """Return for each controller, by service, the newest version of its chart in the profile's range, and of
    all.
    """

    def newest(controller: Controller, wanted: str) -> str:
        return settled(lambda: helm.resolve(controller.chart, wanted), controller.chart)

    with ThreadPoolExecutor(8) as pool:
        fitting = pool.map(lambda one: newest(one, one.version), controllers)
        published = pool.map(lambda one: newest(one, ANY), controllers)
        services = (one.service for one in controllers)
        return dict(zip(services, zip(fitting, published, strict=True), strict=True))


def kept_versions(controllers: Sequence[Controller], namespace: str, clients: Clients) -> dict[str, str]:
    """Return by service the versions of charts that are installed and fit the profile's ranges."""
    if settled(lambda: clients.kube.get(Ref("v1", "Namespace", namespace)), namespace) is None:
        return {}

    def installed(controller: Controller) -> str:
        release = settled(lambda: clients.helm.release(controller.release, namespace), controller.release)
        version = release.chart.rpartition("-")[2] if release else ""
        return version if version and fits(version, controller.version) else ""

    with ThreadPoolExecutor(8) as pool:
        found = zip((one.service for one in controllers), pool.map(installed, controllers), strict=True)
        return {service: version for service, version in found if version}


def installed_charts(controllers: Sequence[Controller], clients: Clients) -> dict[str, Chart]:
    """Return what a teardown knows of the charts without a registry: the definitions in the cluster."""
    live = clients.kube.list(*API)

    def of_service(service: str) -> Chart:
        groups = (f"{service}.{SHARED}", SHARED)
        crds = tuple(one for one in live if one["spec"]["group"] in groups)
        return Chart(label="", version="", digest="", folder=Path(), values={}, schema={}, crds=crds)

    return {one.service: of_service(one.service) for one in controllers}


def read_chart(folder: Path) -> Chart:
    """Return the unpacked chart in `folder`."""
    about = _yaml(folder / "Chart.yaml")
    schema = folder / "values.schema.json"
    crds = sorted((folder / "crds").glob("*.yaml"))
    return Chart(
        label=f"{about['name']}-{about['version']}",
        version=about["version"],
        digest=_digest(folder),
        folder=folder,
        values=_yaml(folder / "values.yaml"),
        schema=json.loads(schema.read_text(encoding="utf-8")) if schema.is_file() else {},
        crds=tuple(crd for path in crds for crd in _yaml_all(path)),
    )


def fits(version: str, wanted: str) -> bool:
    """Tell whether a chart's version lies in the profile's range (`1.8.2`, or `>=1.8.2,<2`).

    Raises UsageError when the range is none.
    """
    try:
        specifier = SpecifierSet(wanted if wanted[:1] in "<>=!~" else f"=={wanted.removeprefix('v')}")
    except InvalidSpecifier as error:
        raise UsageError(
            "wrong-version-range",
            f"'{wanted}' is no version and no range of versions",
            "write 1.8.2 or '>=1.8.2,<2'",
        ) from error
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _pull(controller: Controller, version: str, helm: Helm, folder: Path) -> Chart:
    fits("0", controller.version)
    try:
        return read_chart(helm.pull(controller.chart, version or controller.version, folder))
    except AckinstallError as error:
        if error.reference == "chart-not-found":
            raise _no_version(controller, helm) from error
        raise


def _no_version(controller: Controller, helm: Helm) -> UsageError:
    newest: list[str] = []
    below = ANY
    while len(newest) < 3:  # noqa: PLR2004 (the newest few are enough)
        try:
            newest.append(helm.resolve(controller.chart, below))
        except AckinstallError:
            break
        below = f"<{newest[-1]}"
    if not newest:
        return UsageError(
            "chart-not-found",
            f"there is no chart '{controller.chart}'",
            f"correct 'controllers.{controller.service}.chart' in the profile",
        )
    return UsageError(
        "chart-version-not-found",
        f"the chart '{controller.chart}' has no version '{controller.version}'; "
        f"the newest are {', '.join(newest)}",
        f"add `--set controllers.{controller.service}.version={newest[0]}`",
    )


def _yaml(path: Path) -> dict[str, Any]:
    return dict(next(iter(_yaml_all(path)), {}))


def _yaml_all(path: Path) -> list[dict[str, Any]]:
    loaded = yaml.load_all(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return [one for one in loaded if one]


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(folder)}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{total.hexdigest()}"
