"""Helm, and the registry that the charts come from."""

import base64
import binascii
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ackinstall.checks.check import Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context

CATEGORY = "charts"
PUBLIC = "public.ecr.aws"
PRIVATE = re.compile(r"\d+\.dkr\.ecr\.(?P<region>[\w-]+)\..+")


def _helm(context: Context) -> Finding:
    return passed(context.opening.helm_version)


def _charts(context: Context) -> Finding:
    charts = context.opening.charts.values()
    return passed(", ".join(one.label for one in charts), charts={one.label: one.digest for one in charts})


def _credentials(context: Context) -> Finding:
    hosts = {one.chart.removeprefix("oci://").partition("/")[0] for one in context.profile.controllers}
    now = time.time()
    stale = sorted({host for host, expiry in _logins() if host in hosts and expiry < now})
    if not stale:
        return passed()
    unused = "; `ackinstall` asks it without them" if stale == [PUBLIC] else ""
    return failed(
        f"the login of {' and '.join(stale)} has expired{unused}",
        f"run `{_login_again(stale[0])}`",
    )


def _login_again(host: str) -> str:
    """Return the command that renews a login; the public gallery needs none.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/push-oci-artifact.html
    """
    private = PRIVATE.fullmatch(host)
    if not private:
        return f"helm registry logout {host}"
    password = f"aws ecr get-login-password --region {private['region']}"
    return f"{password} | helm registry login --username AWS --password-stdin {host}"


def _logins() -> Iterator[tuple[str, float]]:
    """Yield host and expiry (s since the epoch) of each login at an ECR registry that Helm or Docker keeps.

    A password of ECR is base64 of JSON that has the expiry:
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html; where Helm keeps it:
    https://helm.sh/docs/helm/helm/
    """
    home = Path.home()
    own = home / ("Library/Preferences" if sys.platform == "darwin" else ".config")
    settings = Path(os.environ.get("HELM_CONFIG_HOME", Path(os.environ.get("XDG_CONFIG_HOME", own)) / "helm"))
    files = (
        Path(os.environ.get("HELM_REGISTRY_CONFIG", settings / "registry" / "config.json")),
        Path(os.environ.get("DOCKER_CONFIG", home / ".docker")) / "config.json",
    )
    for path in files:
        for host, login in _auths(path).items():
            expiry = _expiry(str(login.get("auth", "")))
            if expiry:
                yield host.removeprefix("https://").partition("/")[0], expiry


def _auths(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        found: Mapping[str, Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["auths"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found


def _expiry(login: str) -> float:
    try:
        password = base64.b64decode(login).decode().partition(":")[2]
        return float(json.loads(base64.b64decode(password))["expiration"])
    except (ValueError, KeyError, TypeError, binascii.Error, UnicodeDecodeError):
        return 0.0


CHECKS = (
    Check(
        id="helm",
        category=CATEGORY,
        description="helm is there, and new enough",
        severity=Severity.FATAL,
        hint="install it from https://helm.sh/docs/intro/install/ so that `helm version` works",
        look=_helm,
        opens=True,
        in_run=True,
    ),
    Check(
        id="charts",
        category=CATEGORY,
        description="the charts are there, in the profile's versions",
        severity=Severity.FATAL,
        hint="see the registry's answer with `helm show chart {chart}`",
        look=_charts,
        needs=("helm", "cluster-login"),
        opens=True,
        in_run=True,
    ),
    Check(
        id="registry-login",
        category=CATEGORY,
        description="no login at the registry has expired",
        severity=Severity.WARNING,
        hint="run `helm registry logout public.ecr.aws`",
        look=_credentials,
    ),
)
