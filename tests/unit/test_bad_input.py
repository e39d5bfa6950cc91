"""What a person may get wrong or find wrong: each a clear error with a hint, before anything was changed."""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from support.cluster import ApiError
from support.commands import Answer, Commands, Failing, Instead, aws_error
from support.faults import Call
from tables import cases

from ackinstall.clients import Aws, Session
from ackinstall.errors import AckinstallError, UsageError, filled, translate
from ackinstall.helm import Helm, HelmBinary, explain
from ackinstall.kube import Kube, Manifest, Ref, open_cluster, open_context
from ackinstall.opening import reach
from ackinstall.report import Report

UP = ("up", "--cluster", "demo", "--yes")


def said(error: AckinstallError, capsys: pytest.CaptureFixture[str]) -> Answer:
    """Return an error as the commands print it."""
    Report().error(error)
    out, err = capsys.readouterr()
    return Answer(error.exit_code, out, err)


CALLER = aws_error(
    "AccessDenied",
    "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: eks:DescribeCluster on resource: "
    "arn:aws:eks:us-west-2:123456789012:cluster/demo because no identity-based policy allows it",
    "DescribeCluster",
    403,
)
CREDENTIALS = [
    (
        "none at all",
        NoCredentialsError(),
        2,
        "error: no AWS credentials were found [no-credentials]",
        "aws sso login",
    ),
    (
        "expired",
        aws_error("ExpiredToken", "The security token is expired", "GetCallerIdentity", 403),
        2,
        "error: the AWS credentials have expired [expired-credentials]",
        "aws sso login",
    ),
    (
        "not known to AWS",
        aws_error("InvalidClientTokenId", "invalid", "GetCallerIdentity", 403),
        2,
        "error: AWS does not accept the credentials (InvalidClientTokenId) [invalid-credentials]",
        "aws sts",
    ),
    (
        "without the right to look",
        CALLER,
        1,
        (
            "error: cluster 'demo': 'arn:aws:iam::123456789012:user/ann' may not call 'eks:DescribeCluster' "
            "on 'arn:aws:eks:us-west-2:123456789012:cluster/demo': no identity-based policy allows it "
            "[access-denied]"
        ),
        (
            "allow it in the policies of the user 'ann': "
            '{"Effect": "Allow", "Action": "eks:DescribeCluster", '
            '"Resource": "arn:aws:eks:us-west-2:123456789012:cluster/demo"}; `ackinstall iam-policy`'
        ),
    ),
]


@pytest.mark.parametrize(("error", "code", "message", "hint"), cases(CREDENTIALS))
def test_wrong_credentials(commands: Commands, error: Exception, code: int, message: str, hint: str) -> None:
    """Missing, expired, unknown and weak credentials are told apart, and say what to do."""
    commands.aws = Failing(error)
    answer, changed = commands.changed_by(*UP)
    assert (answer.code, answer.error, changed) == (code, message, False)
    assert hint in answer.hint


def test_no_credentials_and_no_region_of_a_real_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real session without a region says so at once; one without credentials when it calls."""
    for name in (
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AckinstallError) as caught:
        Session()
    assert (caught.value.reference, caught.value.exit_code) == ("no-region", 2)
    with pytest.raises(NoCredentialsError) as missing:
        Session(region="us-west-2").client("sts").get_caller_identity()
    assert translate(missing.value).reference == "no-credentials"
    with pytest.raises(Exception, match="nobody") as unknown:
        Session(profile="nobody", region="us-west-2")
    error = translate(unknown.value)
    assert (error.reference, error.exit_code) == ("unknown-aws-profile", 2)


def test_an_unknown_cluster(commands: Commands) -> None:
    """A cluster that there is not is answered with those that there are in the region."""
    answer, changed = commands.changed_by("up", "--cluster", "demmo", "--yes")
    assert (answer.code, answer.error, changed) == (
        2,
        (
            "error: there is no cluster 'demmo' in the region 'us-west-2'; "
            "there are 'demo', 'other' [unknown-cluster]"
        ),
        False,
    )
    assert "--region" in answer.hint


class Creating(Failing):
    """An AWS in which the cluster `demo` is still being made."""

    def __init__(self) -> None:
        super().__init__(AssertionError("not asked for"))

    def describe_cluster(self, name: str) -> dict[str, object]:
        """Return a cluster as EKS shows it while it is made: without endpoint, authority and issuer."""
        return {"cluster": {"name": name, "status": "CREATING"}}

    def get_caller_identity(self) -> dict[str, str]:
        """Return who calls."""
        return {"Arn": "arn:aws:iam::123456789012:user/ann"}


def test_a_cluster_that_is_still_being_made(commands: Commands) -> None:
    """A cluster that is not ACTIVE is named with its state and the command that waits for it."""
    commands.aws = Creating()
    answer, changed = commands.changed_by(*UP)
    assert (answer.code, answer.error, changed) == (
        1,
        "error: the cluster 'demo' is CREATING [cluster-not-active]",
        False,
    )
    assert "aws eks wait cluster-active --name demo --region us-west-2" in answer.hint


def test_an_action_that_is_denied_later(commands: Commands) -> None:
    """A write that IAM denies ends its resource with action and resource named; all else is done."""

    def deny(_number: int, call: Call) -> None:
        if call.name.startswith("iam:CreateRole"):
            role = "arn:aws:iam::123456789012:role/ack-controller-role-demo"
            text = f"User: ann is not authorized to perform: iam:CreateRole on resource: {role}"
            raise aws_error("AccessDenied", text, "CreateRole", 403)

    commands.world.faults.begin(deny)
    answer = commands.run(*UP)
    assert answer.code == 1
    assert (
        "'ann' may not call 'iam:CreateRole' on "
        "'arn:aws:iam::123456789012:role/ack-controller-role-demo' [access-denied]"
    ) in answer.error
    assert "`ackinstall iam-policy`" in answer.hint
    assert commands.world.cluster.get(Ref("v1", "Namespace", "ack-system")) is not None


def test_another_account_has_the_bucket_s_name(commands: Commands) -> None:
    """S3 then denies without a word of the action, which is no missing right: the name has to be another."""

    def deny(_number: int, call: Call) -> None:
        if call.name == "s3:GetBucketLocation":
            raise aws_error("AccessDenied", "Access Denied", "GetBucketLocation", 403)

    commands.world.faults.begin(deny)
    answer = commands.run("plan", "--cluster", "demo")
    assert answer.code == 3
    assert answer.error.endswith("another account has the name [bucket-not-accessible]")
    assert "--set bucket.name=NAME" in answer.hint


PROFILES = [
    (
        "a wrong key",
        ("--set", "namspace=x"),
        "error: --set namspace: there is no key 'namspace'; did you mean 'namespace'? [unknown-key]",
    ),
    (
        "an unknown profile",
        ("--profile", "defualt"),
        "error: there is no profile 'defualt'; did you mean 'default'? [unknown-profile]",
    ),
    (
        "a role's name that is too long",
        ("--set", f"controllerRole.name={'r' * 65}"),
        f"error: the name '{'r' * 65}' has 65 characters, 64 are allowed [name-too-long]",
    ),
    (
        "a bucket's name that is too long",
        ("--set", f"bucket.name={'b' * 64}"),
        f"error: the name '{'b' * 64}' has 64 characters, 63 are allowed [name-too-long]",
    ),
    (
        "an unknown value of the chart",
        ("--set", "controllers.sagemaker.values.lgo.level=debug"),
        "error: controllers.sagemaker.values: there is no key 'lgo'; did you mean 'log'? [unknown-value]",
    ),
    (
        "a version that there is not",
        ("--set", "controllers.sagemaker.version=9.9.9"),
        (
            "error: the chart 'oci://public.ecr.aws/aws-controllers-k8s/sagemaker-chart' "
            "has no version '9.9.9'; the newest are "
        ),
    ),
    (
        "a chart that there is not",
        ("--set", "controllers.sagemaker.chart=oci://registry.example/none"),
        "error: there is no chart 'oci://registry.example/none' [chart-not-found]",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), cases(PROFILES))
def test_a_wrong_profile(commands: Commands, arguments: tuple[str, ...], message: str) -> None:
    """Whatever is wrong with a profile is found before anything was changed: exit 2, with a hint."""
    answer, changed = commands.changed_by(*UP, *arguments)
    assert (answer.code, changed) == (2, False)
    assert answer.error.startswith(message)
    assert answer.hint


def test_the_newest_versions_are_named(commands: Commands) -> None:
    """For a version that there is not, the newest that there are, and the setting that takes one of them."""
    newest = commands.world.gallery.versions("sagemaker-chart")
    answer = commands.run(*UP, "--set", "controllers.sagemaker.version=9.9.9")
    assert f"the newest are {', '.join(newest[:3])} [chart-version-not-found]" in answer.error
    assert f"--set controllers.sagemaker.version={newest[0]}" in answer.hint


@dataclass(frozen=True)
class Broken:
    """A Helm that fails at one command with what the program says."""

    helm: Helm
    command: str
    says: str

    def __getattr__(self, name: str) -> Callable[..., object]:
        def fail(*_arguments: object) -> object:
            raise explain(self.says)

        working: Callable[..., object] = getattr(self.helm, name)
        return fail if name == self.command else working


HELM = [
    (
        "no helm",
        "version",
        "/bin/sh: 1: helm: not found",
        2,
        "the program 'helm' is not on PATH [helm-missing]",
    ),
    (
        "a registry that refuses",
        "pull",
        "Error: GET: response status code 403: denied: expired token",
        1,
        "the registry refused: GET: response status code 403: denied: expired token [registry-refused]",
    ),
    (
        "no right to read releases",
        "release",
        (
            'Error: query: failed to query with labels: secrets is forbidden: User "ann" cannot list '
            'resource "secrets" in API group "" in the namespace "ack-system"'
        ),
        1,
        "helm: 'ann' may not list 'secrets' in the namespace 'ack-system' [kubernetes-forbidden]",
    ),
]


@pytest.mark.parametrize(("command", "says", "code", "message"), cases(HELM))
def test_what_is_wrong_with_helm(
    commands: Commands, command: str, says: str, code: int, message: str
) -> None:
    """A missing helm, a registry that refuses and a cluster that refuses helm are told apart."""
    commands.helm = lambda helm: cast("Helm", Broken(helm, command, says))
    # Without a namespace nobody asks helm for the releases in it.
    commands.world.cluster.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ack-system"}}
    )
    answer, changed = commands.changed_by(*UP)
    assert (answer.code, answer.error, changed) == (code, f"error: {message}", False)
    assert answer.hint


def test_a_registry_that_cannot_be_reached() -> None:
    """A registry that does not answer may answer later; the hint has the command that shows it."""
    error = explain('Error: Get "https://public.ecr.aws/v2/": dial tcp: lookup public.ecr.aws: no such host')
    assert error.reference == "registry-unreachable"
    assert "helm show chart" in error.hint


def test_helm_is_not_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real face of helm says so when there is no such program."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AckinstallError) as caught:
        HelmBinary(tmp_path).version()
    assert (caught.value.reference, caught.value.exit_code) == ("helm-missing", 2)


def test_an_api_server_that_cannot_be_reached(tmp_path: Path) -> None:
    """An API server behind a closed port is named with its address and the ways to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    authority = Path(__file__).with_name("authority.pem").read_bytes()
    kube = open_cluster(f"https://127.0.0.1:{port}", authority, lambda: "token", tmp_path)
    with pytest.raises(AckinstallError) as caught:
        reach(kube, f"https://127.0.0.1:{port}", seconds=0.1)
    assert caught.value.reference == "api-server-unreachable"
    assert caught.value.message == f"the cluster's API server 'https://127.0.0.1:{port}' does not answer"
    assert "--kubeconfig" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "context", "why"),
    [
        pytest.param(None, None, "No configuration found", id="missing"),
        pytest.param("", None, "is empty", id="empty"),
        pytest.param("{", None, "while parsing", id="not YAML"),
        pytest.param("[]", None, "list", id="something else"),
        pytest.param("{current-context: a, contexts: []}", "b", "object with name b", id="context"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used(
    tmp_path: Path, text: str | None, context: str | None, why: str
) -> None:
    """What is wrong with a kubeconfig is told with the file, and is the user's to mend: exit 2."""
    file = tmp_path / "kube config"
    if text is not None:
        file.write_text(text)
    kube = open_context(str(file), context, tmp_path)
    with pytest.raises(UsageError) as caught:
        reach(kube, "", seconds=0.1)
    assert caught.value.reference == "wrong-kubeconfig"
    assert caught.value.message.startswith(f"the kubeconfig '{file}' cannot be used: ")
    assert why in caught.value.message
    written = f"`aws eks update-kubeconfig --name demo --kubeconfig '{file}'`"
    assert written in filled(caught.value.hint, "demo")


def test_an_aws_that_cannot_be_reached() -> None:
    """An endpoint that does not answer is asked again for a while, and then named."""
    error = translate(EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), "sts")
    assert error.reference == "connection-lost"
    assert "http://127.0.0.1:9" in error.message
    assert "HTTPS_PROXY" in error.hint


@dataclass(frozen=True)
class Limited:
    """A cluster's API for somebody who may read, or not even that."""

    kube: Kube
    verbs: frozenset[str]

    def allowed(self, verb: str, group: str, resource: str, namespace: str = "") -> bool:  # noqa: ARG002 (as Kube)
        """See Kube."""
        return verb in self.verbs

    def create(self, manifest: Manifest) -> None:
        """See Kube: nobody gets here who was asked first."""
        raise ApiError(403, "Forbidden", f"cannot create {manifest['kind']}")

    def __getattr__(self, name: str) -> object:
        return getattr(self.kube, name)


READERS = [
    (
        "who may read",
        {"get", "list"},
        "user/administrator' may not create 'leases.coordination.k8s.io' in the namespace 'kube-system'",
    ),
    (
        "who may nothing",
        set(),
        "user/administrator' may not get 'namespaces' on the cluster (3 rights are missing)",
    ),
]


@pytest.mark.parametrize(("verbs", "message"), cases(READERS))
def test_a_kubernetes_user_who_may_not_write(commands: Commands, verbs: set[str], message: str) -> None:
    """Somebody who may not write is told before the first write, and how to get the rights."""
    commands.kube = lambda kube: cast("Kube", Limited(kube, frozenset(verbs)))
    answer, changed = commands.changed_by(*UP)
    assert (answer.code, changed) == (1, False)
    assert message in answer.error
    assert answer.error.endswith("[kubernetes-forbidden]")
    assert (
        "aws eks associate-access-policy --region us-west-2 --cluster-name demo --principal-arn"
        in answer.hint
    )
    assert 'verbs: ["' in answer.hint


def test_who_may_only_read_can_look(commands: Commands) -> None:
    """A plan, a status, and an `up` or `down` that has nothing to do need no right to write."""
    commands.run(*UP)
    commands.kube = lambda kube: cast("Kube", Limited(kube, frozenset({"get", "list"})))
    assert commands.run("plan", "--cluster", "demo", "--exit-code").code == 0
    assert commands.run("status", "--cluster", "demo").code == 0
    assert commands.run(*UP).code == 0
    answer, changed = commands.changed_by("down", "--cluster", "demo", "--yes")
    assert (answer.code, changed) == (1, False)
    assert "may not create 'leases" in answer.error


@pytest.mark.parametrize("is_told", [True, False])
def test_a_session_that_the_cluster_does_not_know(commands: Commands, *, is_told: bool) -> None:
    """The hint has all commands whole: the role's ARN with its path, or what asks IAM for it."""
    name, path = "AWSReservedSSO_Admin_0a1b", "/aws-reserved/sso.amazonaws.com/"
    session = f"arn:aws:sts::123456789012:assumed-role/{name}/ann"
    world = commands.world
    if is_told:
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        world.aws.account.iam.create_role(name, trust, path, None, "", [], "3600")
    sts = Instead(world.aws.client("sts"), get_caller_identity=lambda: {"Arn": session})
    client = lambda service: sts if service == "sts" else world.aws.client(service)  # noqa: E731 (one line)
    commands.aws = cast("Aws", Instead(world.aws, client=client))

    def unknown() -> str:
        raise ApiError(401, "Unauthorized", "Unauthorized")

    commands.kube = lambda kube: cast("Kube", Instead(kube, version=unknown))
    answer = commands.run(*UP)
    assert "the cluster does not accept this AWS identity [kubernetes-login-refused]" in answer.error
    arn = (
        f"arn:aws:iam::123456789012:role{path}{name}"
        if is_told
        else f'"$(aws iam get-role --role-name {name} --query Role.Arn --output text)"'
    )
    for command in ("create-access-entry", "associate-access-policy"):
        assert (
            f"`aws eks {command} --region us-west-2 --cluster-name demo --principal-arn {arn}" in answer.hint
        )


def test_hints_name_the_cluster_that_the_command_line_does(commands: Commands) -> None:
    """Wherever they come from; the region too, where one was chosen."""
    error = UsageError("x", "y", "`ackinstall up --cluster NAME`, `aws eks x --cluster-name NAME`")

    def fail() -> str:
        raise error

    commands.kube = lambda kube: cast("Kube", Instead(kube, version=fail))
    assert commands.run(*UP).hint.endswith("`ackinstall up --cluster demo`, `aws eks x --cluster-name demo`")
    chosen = commands.run(*UP, "--region", "us-west-2", "--output", "json")
    told = [json.loads(line) for line in chosen.stdout.splitlines()]
    (hint,) = [one["hint"] for one in told if one["event"] == "error"]
    assert hint.startswith("`ackinstall up --cluster demo --region us-west-2`")


def test_a_login_that_the_cluster_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    """An identity without an access entry is told how to get one."""
    answer = said(translate(ApiError(401, "Unauthorized", "Unauthorized")), capsys)
    assert "the cluster does not accept this AWS identity [kubernetes-login-refused]" in answer.error
    assert "aws eks create-access-entry" in answer.hint


RECEIPTS = [
    ("no receipt", None, "default"),
    ("a good one", "", "receipt"),
    ("no JSON", "{", "default"),
    ("no profile", "{}", "default"),
]


@pytest.mark.parametrize(("content", "name"), cases(RECEIPTS))
def test_a_receipt_that_cannot_be_read_is_no_obstacle(
    commands: Commands, content: str | None, name: str
) -> None:
    """A teardown goes by the receipt's profile, else by the default one."""
    commands.run(*UP)
    ref = Ref("v1", "ConfigMap", "ackinstall", "ack-system")
    if content is None:
        commands.world.cluster.delete(ref)
    elif content:
        commands.world.cluster.change(ref, lambda receipt: receipt["data"].update(profile=content))
    answer = commands.run("plan", "--cluster", "demo", "--down")
    assert (answer.code, f"profile '{name}'" in answer.stdout) == (0, True)
