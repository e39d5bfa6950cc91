"""The cluster: it exists, is active, answers, lets us in, and has an issuer that IAM can believe."""

import re

from ackinstall import rights
from ackinstall.catalog import AUDIENCE
from ackinstall.checks.check import Check, Finding, Severity, failed, passed, warned
from ackinstall.checks.context import Context
from ackinstall.errors import AckinstallError, translate
from ackinstall.resource import Change, Kind
from ackinstall.resources.iam_role import IamRole
from ackinstall.resources.oidc_provider import OidcProvider

CATEGORY = "cluster"
OLDEST = (1, 22)
"""Server-side apply and the definitions' API that ACK uses:
https://kubernetes.io/blog/2021/08/04/kubernetes-1-22-release-announcement/"""


def _exists(context: Context) -> Finding:
    try:
        return passed(context.opening.cluster.arn)
    except AckinstallError as error:
        if error.reference == "cluster-not-active":
            return passed(context.cluster)
        raise


def _active(context: Context) -> Finding:
    if context.opening.cluster.is_updating:
        return warned(f"'{context.cluster}' is UPDATING, and works meanwhile")
    return passed()


def _version(context: Context) -> Finding:
    version = context.opening.cluster.version
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST:
        major, minor = re.findall(r"\d+", version)[:2]
        return failed(
            f"it is Kubernetes {version}, {'.'.join(map(str, OLDEST))} or newer is needed",
            f"upgrade it, one minor version after the other, with `aws eks update-cluster-version --name "
            f"{context.cluster} --kubernetes-version {major}.{int(minor) + 1}{context.place}`",
        )
    return passed(version)


def _answers(context: Context) -> Finding:
    try:
        return passed(context.opening.server_version)
    except AckinstallError as error:
        if error.reference in ("kubernetes-login-refused", "kubernetes-forbidden"):
            return passed(context.opening.cluster.endpoint)
        raise


def _login(context: Context) -> Finding:
    try:
        _ = context.opening.server_version
        context.kube.allowed("get", "", "namespaces")
    except Exception as error:
        told = translate(error)
        if told.reference != "kubernetes-login-refused":
            raise
        return failed(
            told.message,
            f"give it an access entry: `aws eks create-access-entry --cluster-name {context.cluster} "
            f"--principal-arn {rights.principal(context.opening.caller.arn)}{context.place}`; then "
            f"{context.opening.grant}",
        )
    return passed()


def _provider(context: Context) -> Finding:
    look = next(one for key, one in context.early_looks.items() if key.startswith(f"{OidcProvider.kind}/"))
    if isinstance(look, AckinstallError):
        raise look
    arn = context.names.provider_arn
    if look.kind is Kind.CREATE:
        return passed("there is none yet: `up` makes it")
    if look.kind is Kind.REFUSE:
        return failed(
            f"it does not accept the audience '{AUDIENCE}'",
            f"add it with `aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn "
            f"{arn} --client-id {AUDIENCE}{context.place}`, or let "
            f"`{context.choice.again('up', '--adopt')}` do it",
        )
    if "audiences" in look.paths:
        return warned(f"it does not accept the audience '{AUDIENCE}' any more: `up` mends it")
    return passed(f"accepts '{AUDIENCE}'")


def _issuer(context: Context) -> Finding:
    role = next(one for one in context.opening.resources if isinstance(one, IamRole))
    look = context.aws_looks[role.id]
    if isinstance(look, AckinstallError):
        raise look
    current = context.opening.known.issuer_host
    former = {one for one in _issuers(look) if one.lower() != current.lower()}
    if former:
        return failed(
            f"the role '{role.name}' trusts the issuer '{min(former)}', the cluster's is '{current}'"
        )
    return passed(current)


def _issuers(look: Change) -> set[str]:
    """Return the issuers that the trust policy found names, as far as it differs; in keys of conditions,
    where case does not count, in lower case.
    """
    return {
        issuer
        for one in look.differences
        if one.key == "trust"
        for issuer in re.findall(r"oidc[.-]eks\.[\w.-]+/id/\w+", f"{one.path} {one.seen}")
        if one.seen is not None
    }


CHECKS = (
    Check(
        id="cluster-exists",
        category=CATEGORY,
        description="the EKS cluster exists",
        severity=Severity.FATAL,
        hint="see those that there are with `aws eks list-clusters{place}`",
        look=_exists,
        needs=("aws-credentials",),
        opens=True,
        in_run=True,
    ),
    Check(
        id="cluster-active",
        category=CATEGORY,
        description="the cluster is ACTIVE",
        severity=Severity.FATAL,
        hint="run `aws eks wait cluster-active --name {cluster}{place}`",
        look=_active,
        needs=("cluster-exists",),
        opens=True,
        in_run=True,
    ),
    Check(
        id="cluster-version",
        category=CATEGORY,
        description="the Kubernetes version is new enough",
        severity=Severity.FATAL,
        hint="see its version with `aws eks describe-cluster --name {cluster}{place}`",
        look=_version,
        needs=("cluster-active",),
    ),
    Check(
        id="api-server",
        category=CATEGORY,
        description="the API server answers",
        severity=Severity.FATAL,
        hint=(
            "reach a private cluster from inside its network, or with `{up} --kubeconfig FILE --context NAME`"
        ),
        look=_answers,
        needs=("cluster-active", "aws-account"),
        opens=True,
        in_run=True,
    ),
    Check(
        id="cluster-login",
        category=CATEGORY,
        description="the cluster lets this identity in",
        severity=Severity.FATAL,
        hint="see who is let in with `aws eks list-access-entries --cluster-name {cluster}{place}`",
        look=_login,
        needs=("api-server",),
        opens=True,
        in_run=True,
    ),
    Check(
        id="oidc-provider",
        category=CATEGORY,
        description="IAM knows the cluster's issuer, or may get to know it",
        severity=Severity.FATAL,
        hint="run `{plan}` to see what differs",
        look=_provider,
        needs=("cluster-active", "aws-account"),
        in_run=True,
    ),
    Check(
        id="oidc-issuer",
        category=CATEGORY,
        description="the controllers' role trusts no former issuer",
        severity=Severity.WARNING,
        hint="the cluster was made anew: `{up}` mends the trust policy",
        look=_issuer,
        needs=("charts", "cluster-login"),
        in_run=True,
    ),
)
