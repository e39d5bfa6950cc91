"""The cluster's control plane: the files and the processes of etcd, kube-apiserver, kube-controller-manager.

It is set up as EKS sets up its own, as far as a program can tell: RBAC, an OIDC issuer for service accounts,
a webhook that knows AWS identities, and anonymous access to health only.
"""

import base64
from pathlib import Path

import yaml

from ackinstall.sandbox import certificates
from ackinstall.sandbox.certificates import ADMINISTRATORS, SERVING_NAMES, Authority, Pair
from ackinstall.sandbox.layout import Layout, Sandbox
from ackinstall.sandbox.processes import Process, answers

# What deployments, jobs, namespaces, service accounts and Helm need; no controller here knows of nodes,
# volumes or a cloud.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "deployment-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
)
SERVICE_ADDRESSES = "10.100.0.0/16"  # EKS's default


def issuer(region: str, identifier: str) -> str:
    """Return the OIDC issuer of a cluster, as DescribeCluster gives it; `identifier` is 32 hex digits."""
    return f"https://oidc.eks.{region}.amazonaws.com/id/{identifier}"


def serving(layout: Layout) -> Pair:
    """Return where the serving certificate is, which covers the API server, public.ecr.aws and loopback."""
    return Pair(layout.file("pki") / "serving.pem", layout.file("pki") / "serving.key")


def service_account_keys(layout: Layout) -> Pair:
    """Return where the key pair for service account tokens is."""
    return Pair(layout.file("pki") / "service-account.pub", layout.file("pki") / "service-account.key")


def write_files(sandbox: Sandbox) -> None:
    """Write the certificates, keys, configuration files and the administrator's kubeconfig."""
    layout = sandbox.layout
    layout.file("pki").mkdir(mode=0o700)
    authority = Authority.make(f"ackinstall sandbox {sandbox.name}")
    layout.authority.write_bytes(certificates.pem(authority.certificate))
    certificates.write(serving(layout), *authority.sign("kube-apiserver", names=SERVING_NAMES))
    certificates.write(service_account_keys(layout), *certificates.service_account_keys())
    certificate, key = authority.sign("sandbox-administrator", organization=ADMINISTRATORS)
    _write_yaml(layout.kubeconfig, _kubeconfig(sandbox, certificate, key))
    _write_yaml(layout.file("authentication.yaml"), _authentication())
    _write_yaml(layout.file("login-webhook.yaml"), _webhook(f"{sandbox.aws_url}/sandbox/authenticate"))


def processes(sandbox: Sandbox, etcd: Path, apiserver: Path, controller_manager: Path) -> list[Process]:
    """Return the rows of the control plane; the three paths are those of its programs."""
    layout, ports = sandbox.layout, sandbox.ports
    pair, keys = serving(layout), service_account_keys(layout)
    etcd_url = f"http://127.0.0.1:{ports['etcd']}"
    manager_url = f"https://127.0.0.1:{ports['kube-controller-manager']}"
    return [
        Process(
            "etcd",
            (
                str(etcd),
                f"--data-dir={layout.file('etcd')}",
                f"--listen-client-urls={etcd_url}",
                f"--advertise-client-urls={etcd_url}",
                "--listen-peer-urls=http://127.0.0.1:0",
                "--unsafe-no-fsync",
                # One member elects itself; it needs no patience with others.
                "--heartbeat-interval=10",
                "--election-timeout=100",
                "--log-level=warn",
            ),
            answers(f"{etcd_url}/health"),
            port=ports["etcd"],
        ),
        Process(
            "kube-apiserver",
            (
                str(apiserver),
                f"--etcd-servers={etcd_url}",
                "--bind-address=127.0.0.1",
                f"--secure-port={ports['kube-apiserver']}",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",  # an Endpoints object may not hold a loopback address
                f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
                f"--tls-cert-file={pair.certificate}",
                f"--tls-private-key-file={pair.key}",
                f"--client-ca-file={layout.authority}",
                "--authorization-mode=RBAC",
                f"--authentication-config={layout.file('authentication.yaml')}",
                f"--authentication-token-webhook-config-file={layout.file('login-webhook.yaml')}",
                "--authentication-token-webhook-version=v1",
                "--authentication-token-webhook-cache-ttl=0s",
                f"--service-account-issuer={sandbox.issuer}",
                f"--service-account-jwks-uri={sandbox.endpoint}/openid/v1/jwks",
                f"--service-account-key-file={keys.certificate}",
                f"--service-account-signing-key-file={keys.key}",
                "--api-audiences=https://kubernetes.default.svc",
                "--allow-privileged",
                "--profiling=false",
            ),
            answers(f"{sandbox.endpoint}/readyz", layout.authority),
            needs=("etcd",),
            port=ports["kube-apiserver"],
        ),
        Process(
            "kube-controller-manager",
            (
                str(controller_manager),
                f"--kubeconfig={layout.kubeconfig}",
                "--bind-address=127.0.0.1",
                f"--secure-port={ports['kube-controller-manager']}",
                f"--tls-cert-file={pair.certificate}",
                f"--tls-private-key-file={pair.key}",
                f"--controllers={','.join(CONTROLLERS)}",
                "--use-service-account-credentials",
                f"--service-account-private-key-file={keys.key}",
                f"--root-ca-file={layout.authority}",
                f"--cluster-name={sandbox.name}",
                "--leader-elect=false",
                "--profiling=false",
            ),
            answers(f"{manager_url}/healthz", layout.authority),
            needs=("kube-apiserver",),
            port=ports["kube-controller-manager"],
        ),
    ]


def _kubeconfig(sandbox: Sandbox, certificate: bytes, key: bytes) -> object:
    authority = sandbox.layout.authority.read_bytes()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": sandbox.name,
        "clusters": [
            {
                "name": sandbox.name,
                "cluster": {"server": sandbox.endpoint, "certificate-authority-data": _base64(authority)},
            }
        ],
        "users": [
            {
                "name": f"{sandbox.name}-administrator",
                "user": {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
            }
        ],
        "contexts": [
            {
                "name": sandbox.name,
                "context": {"cluster": sandbox.name, "user": f"{sandbox.name}-administrator"},
            }
        ],
    }


def _authentication() -> object:
    """Return who may come without a name: those who ask for health, as on EKS.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests
    """
    paths = ("/livez", "/readyz", "/healthz")
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": [{"path": path} for path in paths]},
    }


def _webhook(url: str) -> object:
    """Return where the API server asks whose token it was given (a kubeconfig, as the flag wants it)."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "account",
        "clusters": [{"name": "account", "cluster": {"server": url}}],
        "users": [{"name": "kube-apiserver"}],
        "contexts": [{"name": "account", "context": {"cluster": "account", "user": "kube-apiserver"}}],
    }


def _write_yaml(path: Path, content: object) -> None:
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
