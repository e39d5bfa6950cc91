"""The proof of trust: a service account's token becomes the role's credentials, which say whose they are.

Credentials and tokens are never told or written; they go with the look.
"""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ackinstall.catalog import AUDIENCE
from ackinstall.checks import trust
from ackinstall.checks.check import Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context
from ackinstall.errors import aws_code, aws_text, is_absent
from ackinstall.facts import settled
from ackinstall.kube import Ref
from ackinstall.resources.service_account import ROLE_ARN

CATEGORY = "proof"


def _proof(context: Context) -> Finding:
    accounts = [
        (release, one["spec"].get("serviceAccountName", "default"))
        for release, templates in context.released.items()
        for one in templates
    ]
    asked = list(dict.fromkeys(accounts))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: _identity(context, one[1]), asked))
    proven = {release: arn for (release, _), (arn, why) in zip(asked, answers, strict=True) if not why}
    if broken := next((why for _, why in answers if why), ""):
        return failed(broken, identities=proven)
    if bare := [one for one in context.released if one not in proven]:
        return failed(
            f"the release '{bare[0]}' has no Deployment whose service account could act", identities=proven
        )
    return passed(", ".join(dict.fromkeys(proven.values())), identities=proven)


def _identity(context: Context, account: str) -> tuple[str, str]:
    """Return the ARN as which a service account acts, or why it does not act as the role."""
    why = _unnamed(context, account)
    return ("", why) if why else _assumed(context, account)


def _unnamed(context: Context, account: str) -> str:
    """Return why a service account does not name the role; "" when it does."""
    role = context.names.controller_role_arn
    found = context.kube.get(Ref("v1", "ServiceAccount", account, context.profile.namespace))
    if found is None:
        return f"there is no service account '{account}'"
    named = (found["metadata"].get("annotations") or {}).get(ROLE_ARN, "")
    if not named:
        return f"the service account '{account}' names no role: the annotation '{ROLE_ARN}' is missing"
    return f"the service account '{account}' names the role '{named}', not '{role}'" if named != role else ""


def _assumed(context: Context, account: str) -> tuple[str, str]:
    """Return the ARN as which the service account acts, or why it cannot."""
    token = context.kube.token(context.profile.namespace, account, AUDIENCE)
    sts = context.clients.aws.client("sts")
    request = {
        "RoleArn": context.names.controller_role_arn,
        "RoleSessionName": "ackinstall-proof",
        "WebIdentityToken": token,
        "DurationSeconds": 900,
    }
    try:
        answer = settled(lambda: sts.assume_role_with_web_identity(**request), "sts")
    except Exception as error:
        cause = error.__cause__ or error
        if aws_code(cause) in ("AccessDenied", "InvalidIdentityToken"):
            return "", _why(context, token) or f"STS says: {aws_text(cause)}"
        raise
    return settled(lambda: context.clients.aws.whoami(answer["Credentials"]), "sts"), ""


def _why(context: Context, token: str) -> str:
    """Return which part of the trust fails: role, provider, issuer, audience or subject; "" where that cannot
    be seen, as by somebody who may not read IAM.
    """
    claims = _claims(token)
    name = context.names.controller_role
    issuer = str(claims["iss"]).removeprefix("https://")
    try:
        role = context.clients.roles.known(name)
        if role is None:
            return f"there is no role '{name}'"
        provider = _provider(context, issuer)
    except Exception:  # noqa: BLE001 (what STS has said is known, whatever hides the reason)
        return ""
    why = trust.distrust(role.trust, claims, context.opening.known.iam_arn(f"oidc-provider/{issuer}"))
    return provider or (f"the trust policy of '{name}' {why}" if why else "")


def _provider(context: Context, issuer: str) -> str:
    """Return what is wrong with IAM's provider for an issuer; "" when nothing is."""
    arn = context.opening.known.iam_arn(f"oidc-provider/{issuer}")
    try:
        found = context.clients.aws.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    except Exception as error:
        if is_absent(error):
            return f"IAM has no OIDC provider for the cluster's issuer '{issuer}'"
        raise
    if AUDIENCE not in found.get("ClientIDList", ()):
        return f"IAM's OIDC provider for '{issuer}' does not accept the audience '{AUDIENCE}'"
    return ""


def _claims(token: str) -> dict[str, Any]:
    """Return what a token (a JWT, RFC 7519) says of itself."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


CHECKS = (
    Check(
        id="identity-proof",
        category=CATEGORY,
        description="the service accounts can act as the role",
        severity=Severity.FATAL,
        hint="run `{up}`; `{plan}` shows what it would mend",
        look=_proof,
        needs=("releases-deployed",),
        patience=30,
        in_run=True,
    ),
)
