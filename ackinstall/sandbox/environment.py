"""What a program needs in its environment to be in a sandbox, and what it must not have there."""

import json
import os
import shlex
from collections.abc import Iterable, Mapping

from ackinstall.sandbox.layout import Sandbox

# Settings of the user's own account and cluster that would win over the sandbox's, or mix with them.
ACCOUNT = (
    "AWS_CA_BUNDLE",
    "AWS_DEFAULT_PROFILE",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "KUBECONFIG",
)
_ACCOUNT_PREFIXES = ("AWS_", "HELM_", "KUBERNETES_SERVICE_")
# The user's way out of this machine; a sandbox with a registry of its own leads to that alone.
NETWORK = (
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
_DIRECT = "127.0.0.1,localhost"


def clean(environment: Mapping[str, str], foreign: Iterable[str]) -> dict[str, str]:
    """Return the environment without these names, and without any of the user's account and cluster."""
    gone = set(foreign)
    return {
        name: value
        for name, value in environment.items()
        if name not in gone and not name.startswith(_ACCOUNT_PREFIXES)
    }


def settings(sandbox: Sandbox, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that put a program into the sandbox; PATH goes on from `environment`."""
    layout = sandbox.layout
    helm = layout.file("helm")
    keys = json.loads(layout.credentials.read_text())
    chosen = {
        "AWS_REGION": sandbox.region,
        "AWS_DEFAULT_REGION": sandbox.region,
        "AWS_ACCESS_KEY_ID": keys["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
        "AWS_ENDPOINT_URL": sandbox.aws_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        # The user's own files may hold profiles, endpoints and roles of real accounts.
        "AWS_CONFIG_FILE": str(layout.file("aws-config")),
        "AWS_SHARED_CREDENTIALS_FILE": str(layout.file("aws-credentials")),
        "KUBECONFIG": str(layout.kubeconfig),
        "KUBECACHEDIR": str(layout.file("kube-cache")),
        "HELM_CACHE_HOME": str(helm / "cache"),
        "HELM_CONFIG_HOME": str(helm / "config"),
        "HELM_DATA_HOME": str(helm / "data"),
        "HELM_REGISTRY_CONFIG": str(helm / "registry.json"),
        "PATH": os.pathsep.join([str(layout.programs), environment.get("PATH", os.defpath)]),
    }
    return chosen | (_registry(sandbox) if sandbox.proxy else _gallery(environment))


def unsettings(chosen: Iterable[str], environment: Mapping[str, str], foreign: Iterable[str]) -> list[str]:
    """Return the names to unset: the foreign ones, and what of this environment would get in the way."""
    present = environment.keys() - clean(environment, foreign).keys()
    return sorted(present.union(foreign) - set(chosen))


def foreign(sandbox: Sandbox) -> tuple[str, ...]:
    """Return the names that must not reach a program in the sandbox."""
    return ACCOUNT + NETWORK if sandbox.proxy else ACCOUNT


def as_shell(chosen: Mapping[str, str], gone: Iterable[str]) -> str:
    """Return lines for `eval` in a POSIX shell."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in chosen.items()]
    return "\n".join([*exports, f"unset {' '.join(gone)}"])


def as_json(chosen: Mapping[str, str], gone: Iterable[str]) -> str:
    """Return one JSON object: names and values, null for what is to be unset."""
    return json.dumps({**dict.fromkeys(gone), **chosen}, indent=2)


def _registry(sandbox: Sandbox) -> dict[str, str]:
    """Return the way to the sandbox's registry; loopback needs none."""
    authority = str(sandbox.layout.authority)
    return {
        "HTTPS_PROXY": sandbox.proxy,
        "https_proxy": sandbox.proxy,
        "NO_PROXY": _DIRECT,
        "no_proxy": _DIRECT,
        "SSL_CERT_FILE": authority,
        "REQUESTS_CA_BUNDLE": authority,
    }


def _gallery(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the user's own way out, but for loopback."""
    names = ("NO_PROXY", "no_proxy")
    return {name: ",".join(filter(None, [_DIRECT, environment.get(name, "")])) for name in names}
