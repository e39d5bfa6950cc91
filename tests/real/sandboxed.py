"""A sandbox that a test or a benchmark has for itself: programs, control plane, an AWS account."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import boto3
import requests
import tenacity

from ackinstall.kube import Kube, Manifest, open_context
from ackinstall.sandbox.layout import names

T = TypeVar("T")

Calls = list[Mapping[str, Any]]
"""AWS calls as /sandbox/calls tells them: time (s since the epoch), seconds, service, operation, write ..."""

LONGEST = 240.0
"""Seconds after which a command counts as hanging."""
ADMINISTRATOR = "user/sandbox-administrator"


def until(look: Callable[[], T], seconds: float = 60.0, every: float = 0.1) -> T:
    """Return the first true answer of `look`; raises RetryError when none comes in time."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_not_result(bool),
        wait=tenacity.wait_fixed(every),
        stop=tenacity.stop_after_delay(seconds),
    )(look)


class Sandboxed:
    """A started sandbox and the faces through which it is used; `name` is its cluster's name too, `options`
    are more of `sandbox up`.
    """

    def __init__(self, name: str, *options: str) -> None:
        self.name = name
        self.caller = ADMINISTRATOR
        self._folder = Path(mkdtemp(prefix="ackinstall-real-"))
        _sandbox("up", name, *options)
        told: Mapping[str, str | None] = json.loads(_sandbox("env", name, "--format", "json"))
        kept = {key: value for key, value in os.environ.items() if key not in told}
        self.environment = kept | {key: value for key, value in told.items() if value is not None}

    def seen_by(self, user: str, key: Mapping[str, str]) -> "Sandboxed":
        """Return the same sandbox as a user of its account works with it; `key` is as IAM returns it."""
        other = copy(self)
        vars(other).pop("_session", None)
        other.caller = f"user/{user}"
        other.environment = self.environment | {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
        return other

    def stop(self) -> None:
        """Stop the sandbox and remove all of it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.remove(self.name)

    @staticmethod
    def remove(name: str) -> None:
        """Stop a sandbox that may be there no more."""
        if name in names():
            _sandbox("down", name)

    def shell(self, *argv: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program in the sandbox's environment, with `text` on its stdin."""
        return subprocess.run(
            argv,
            env=self.environment,
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )

    def ask(self, *argv: str, text: str | None = None) -> str:
        """Run a program that must succeed, and return what it prints."""
        done = self.shell(*argv, text=text)
        assert done.returncode == 0, told(done)
        return done.stdout

    def run(self, *argv: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `ackinstall` on the sandbox's cluster, and insist on its exit code."""
        done = self.shell(*self.command(*argv))
        assert done.returncode == code, told(done)
        return done

    def try_up(self) -> subprocess.CompletedProcess[str]:
        """Run `ackinstall up`, however it ends."""
        return self.shell(*self.command("up", "--yes"))

    def spawn(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start `ackinstall` on the sandbox's cluster, in a process group of its own, and do not wait."""
        return subprocess.Popen(
            self.command(*argv),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def up(self, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `ackinstall up`."""
        return self.run("up", "--yes", *options, code=code)

    def down(self, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `ackinstall down`."""
        return self.run("down", "--yes", *options, code=code)

    def changes(self) -> dict[str, Mapping[str, Any]]:
        """Return what `plan` says has to be done, by resource; its exit code must say the same."""
        done = self.shell(*self.command("plan", "--exit-code", "--output", "json"))
        events = [json.loads(line) for line in done.stdout.splitlines()]
        planned = next((event["changes"] for event in events if event["event"] == "plan"), None)
        assert planned is not None, told(done)
        pending = {one["resource"]: one for one in planned if one["kind"] not in ("nothing", "leave")}
        assert done.returncode == (4 if pending else 0), told(done)
        return pending

    def aws(self, service: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        """Return the boto3 client of a service, logged in as the account's administrator or as `seen_by`."""
        return self._session.client(service, endpoint_url=self.environment["AWS_ENDPOINT_URL"])

    @cached_property
    def kube(self) -> Kube:
        """The Kubernetes API, logged in as the sandbox's own administrator."""
        return open_context(self.environment["KUBECONFIG"], None, self._folder)

    def kubectl(self, *argv: str, text: str | None = None) -> str:
        """Run kubectl, which must succeed."""
        return self.ask("kubectl", *argv, text=text)

    def custom_resources(self) -> list[Manifest]:
        """Return all custom resources of ACK's kinds."""
        definitions = self.kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        kinds = [
            (f"{one['spec']['group']}/{one['spec']['versions'][0]['name']}", one["spec"]["names"]["kind"])
            for one in definitions
            if one["spec"]["group"].endswith("services.k8s.aws")
        ]
        return [found for api_version, kind in kinds for found in self.kube.list(api_version, kind)]

    def break_aws(self, **faults: Mapping[str, object]) -> None:
        """Let AWS calls go wrong: latency, throttle, lose_reply, deny, stale (see ackinstall.sandbox.aws)."""
        self._admin("POST", "faults", faults)

    def mend_aws(self) -> None:
        """Let all AWS calls go well again."""
        self._admin("DELETE", "faults")

    def faults(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what is set to go wrong, and what is left of it."""
        found: Mapping[str, Mapping[str, Any]] = self._admin("GET", "faults")
        return found

    def calls(self) -> Calls:
        """Return the AWS calls of `ackinstall` (and of this object) since they were forgotten."""
        found: Calls = self._admin("GET", "calls")
        return [
            call
            for call in found
            if call["caller"].endswith(self.caller)
            or "ackinstall-proof" in call["parameters"].values()  # a call with a token has no caller yet
        ]

    def writes(self) -> Calls:
        """Return those calls that may have changed something."""
        return [call for call in self.calls() if call["write"]]

    def forget_calls(self) -> None:
        """Forget the calls."""
        self._admin("DELETE", "calls")

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environment["AWS_REGION"],
        )

    def command(self, command: str, *argv: str) -> list[str]:
        """Return the command line of `ackinstall` on the sandbox's cluster."""
        return [sys.executable, "-m", "ackinstall", command, "--cluster", self.name, *argv]

    def _admin(self, method: str, what: str, body: object = None) -> Any:  # noqa: ANN401 (JSON)
        url = f"{self.environment['AWS_ENDPOINT_URL']}/sandbox/{what}"
        with requests.Session() as session:
            session.trust_env = False  # no proxy to loopback
            answer = session.request(method, url, json=body, timeout=30)
        assert answer.ok, answer.text
        return answer.json()


def _sandbox(command: str, name: str, *argv: str) -> str:
    line = [sys.executable, "-m", "ackinstall", "sandbox", command, "--name", name, *argv]
    # Building the parts, where none are cached, takes minutes.
    done = subprocess.run(line, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, told(done)
    return done.stdout


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a program was called with, and what it answered."""
    line = " ".join(map(str, done.args))
    return f"{line}\n  ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
