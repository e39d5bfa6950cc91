"""What a program needs in its environment to be in a sandbox, and what it must not have there."""

import json
import os
import shlex
from collections.abc import Iterable, Mapping

from ackinstall.sandbox.layout import Sandbox

# Settings of the user's own account, cluster and network that would win over, or mix with, the sandbox's.
_FOREIGN_PREFIXES = ("AWS_", "HELM_", "KUBERNETES_SERVICE_")
_FOREIGN = (
    "ALL_PROXY",
    "AWS_CA_BUNDLE",
    "AWS_DEFAULT_PROFILE",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "KUBECONFIG",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what belongs to another account, cluster or network."""
    return {name: value for name, value in environment.items() if not _is_foreign(name)}


def settings(sandbox: Sandbox, path: str) -> dict[str, str]:
    """Return the variables that put a program into the sandbox; `path` is the PATH to go behind its own."""
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
        "HELM_CACHE_HOME": str(helm / "cache"),
        "HELM_CONFIG_HOME": str(helm / "config"),
        "HELM_DATA_HOME": str(helm / "data"),
        "HELM_REGISTRY_CONFIG": str(helm / "registry.json"),
        "PATH": os.pathsep.join(filter(None, [str(layout.programs), path])),
    }
    return chosen | (_proxy(sandbox) if sandbox.proxy else {})


def unsettings(chosen: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """Return the names to unset: the usual ones, and what of this environment would get in the way."""
    present = {name for name in environment if _is_foreign(name)}
    return sorted((present | set(_FOREIGN)) - set(chosen))


def as_shell(chosen: Mapping[str, str], gone: Iterable[str]) -> str:
    """Return lines for `eval` in a POSIX shell."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in chosen.items()]
    return "\n".join([*exports, f"unset {' '.join(gone)}"])


def as_json(chosen: Mapping[str, str], gone: Iterable[str]) -> str:
    """Return one JSON object: names and values, null for what is to be unset."""
    return json.dumps({**dict.fromkeys(gone), **chosen}, indent=2)


def _is_foreign(name: str) -> bool:
    return name in _FOREIGN or name.startswith(_FOREIGN_PREFIXES)


def _proxy(sandbox: Sandbox) -> dict[str, str]:
    """Return the way to the sandbox's registry; loopback needs none."""
    authority = str(sandbox.layout.authority)
    direct = "127.0.0.1,localhost"
    return {
        "HTTPS_PROXY": sandbox.proxy,
        "https_proxy": sandbox.proxy,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "SSL_CERT_FILE": authority,
        "REQUESTS_CA_BUNDLE": authority,
    }
