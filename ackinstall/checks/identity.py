"""Who calls AWS: credentials, account, region, clock, and where STS is asked."""

import os
from datetime import UTC, datetime

from ackinstall import facts
from ackinstall.checks.check import Check, Finding, Severity, failed, passed, unproven
from ackinstall.checks.context import Context
from ackinstall.errors import AckinstallError

CATEGORY = "identity"
CLOCK = "set the clock, as with `sudo timedatectl set-ntp true`"
SOON = 15 * 60
"""Seconds that credentials should last: more than an installation takes."""
SKEW = 60
"""Seconds that clocks may differ."""


def _credentials(context: Context) -> Finding:
    try:
        return passed(context.opening.caller.arn)
    except AckinstallError as error:
        if error.reference == "wrong-account":
            return passed()
        if error.reference == "clock-skewed":
            by = facts.ahead(getattr(error.__cause__, "response", {}))
            return failed(f"{_difference(by)}, which does not accept its signatures", CLOCK)
        raise


def _expiry(context: Context) -> Finding:
    aws = context.opening.aws
    if aws.is_lasting():
        return passed("they last, or are renewed")
    until = aws.expiry()
    if until is None:
        return unproven(
            "they are of a session that ends, but nobody says when",
            'export them with `eval "$(aws configure export-credentials --format env'
            f'{context.choice.aws_options("")})"`, which says it, or name the profile that renews them',
        )
    left = (until - datetime.now(UTC)).total_seconds()
    if left < SOON:
        return failed(f"they expire in {max(left, 0) / 60:.0f} minutes, at {until:%H:%M:%S %Z}")
    return passed(f"until {until:%Y-%m-%d %H:%M %Z}")


def _account(context: Context) -> Finding:
    return passed(context.opening.caller.account)


def _region(context: Context) -> Finding:
    return passed(context.opening.known.region)


def _difference(ahead: float) -> str:
    return f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} AWS's"


def _clock(context: Context) -> Finding:
    ahead = context.opening.caller.ahead
    return failed(_difference(ahead)) if abs(ahead) > SKEW else passed()


def _sts(context: Context) -> Finding:
    asked = str(context.opening.aws.client("sts").meta.endpoint_url)
    if asked.rstrip("/") == "https://sts.amazonaws.com":
        setting = os.environ.get("AWS_STS_REGIONAL_ENDPOINTS", "")
        why = f" (AWS_STS_REGIONAL_ENDPOINTS is '{setting}')" if setting else ""
        return failed(f"STS is asked at its global endpoint{why}, which private networks do not reach")
    return passed(asked)


CHECKS = (
    Check(
        id="aws-credentials",
        category=CATEGORY,
        description="AWS accepts the credentials",
        severity=Severity.FATAL,
        hint=(
            "see whose they are with `aws configure list{place}`; `aws sts get-caller-identity{place}` "
            "tries them"
        ),
        look=_credentials,
        opens=True,
        in_run=True,
    ),
    Check(
        id="aws-credentials-expiry",
        category=CATEGORY,
        description="the credentials last long enough",
        severity=Severity.WARNING,
        hint="log in again, as with `aws sso login{identity}`",
        look=_expiry,
        needs=("aws-credentials",),
    ),
    Check(
        id="aws-account",
        category=CATEGORY,
        description="the account is the expected one",
        severity=Severity.FATAL,
        hint="log in to the other account, or name its profile; `aws configure list-profiles` shows them",
        look=_account,
        needs=("aws-credentials",),
        opens=True,
        in_run=True,
    ),
    Check(
        id="aws-region",
        category=CATEGORY,
        description="the region is the cluster's",
        severity=Severity.FATAL,
        hint="name the cluster's region with `{up} --region REGION`",
        look=_region,
        needs=("aws-account", "cluster-active"),
        in_run=True,
    ),
    Check(
        id="clock",
        category=CATEGORY,
        description="the clock agrees with AWS's",
        severity=Severity.WARNING,
        hint=CLOCK,
        look=_clock,
        needs=("aws-account",),
    ),
    Check(
        id="sts-endpoint",
        category=CATEGORY,
        description="STS is asked in the region",
        severity=Severity.WARNING,
        hint="run `export AWS_STS_REGIONAL_ENDPOINTS=regional`",
        look=_sts,
        needs=("aws-credentials",),
    ),
)
