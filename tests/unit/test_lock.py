"""The lock: one run at a time for a cluster, and a dead run lets it go."""

import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest
from support.cluster import Cluster
from support.faults import Faults
from support.kube import FakeKube

from ackinstall.errors import AckinstallError, Locked
from ackinstall.kube import Manifest, Ref
from ackinstall.lock import REF, Claim, Holder, described
from ackinstall.lock import held as _held

CLAIM = Claim(caller="arn:aws:iam::123456789012:user/ann", command="up")


def held(
    kube: FakeKube, seconds: float = 15, patience: float = 0, stop: threading.Event | None = None
) -> Any:  # noqa: ANN401 (a context)
    """Hold the lock as `up` does."""
    return _held(kube, replace(CLAIM, patience=patience), stop or threading.Event(), seconds=seconds)


ELSEWHERE = Holder("ann", "elsewhere", 4711)


class Watched(FakeKube):
    """A cluster's API with something that happens before each look at the lease."""

    def __init__(self) -> None:
        super().__init__(Cluster(), Faults(), lambda *_: "")
        self.looks = 0
        self.before: dict[int, Any] = {}

    def get(self, ref: Ref) -> Manifest | None:
        """Count a look, and let happen what is to happen before it."""
        self.looks += 1
        self.before.get(self.looks, lambda: None)()
        return super().get(ref)

    def taken(self, holder: Holder, renewed: str = "2026-01-01T00:00:00.000000Z") -> None:
        """Let somebody hold the lease, who renewed it at a time."""
        spec = {"holderIdentity": str(holder), "leaseDurationSeconds": 15, "renewTime": renewed}
        metadata = {"name": REF.name, "namespace": REF.namespace}
        lease = {"apiVersion": REF.api_version, "kind": REF.kind, "metadata": metadata, "spec": spec}
        self.cluster.apply(lease, "somebody/Apply", force=True)

    @property
    def holder(self) -> str:
        """Who holds the lease; "" when nobody does."""
        lease = self.cluster.get(REF)
        return str(lease["spec"]["holderIdentity"]) if lease else ""


@pytest.fixture
def kube() -> Watched:
    """A cluster without a lock."""
    return Watched()


def dead() -> Holder:
    """Return a process of this machine that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return Holder("ann", socket.gethostname(), process.pid)


def test_the_lock_is_held_and_let_go(kube: Watched) -> None:
    """The lease names this process while the body runs, and is gone afterwards, also after a failure."""
    with held(kube):
        assert kube.holder == str(Holder.here())
    assert kube.holder == ""
    with pytest.raises(ZeroDivisionError), held(kube):
        raise ZeroDivisionError
    assert kube.holder == ""


def test_a_lock_whose_holder_lives_is_refused(kube: Watched) -> None:
    """A lease that is renewed while we watch belongs to a run that lives: exit 5, and it stays as it is."""
    kube.taken(ELSEWHERE)
    kube.before[2] = lambda: kube.taken(ELSEWHERE, "2026-01-01T00:00:05.000000Z")
    message = "another run of ackinstall works on this cluster: ann@elsewhere"
    with pytest.raises(Locked, match=message) as caught, held(kube):
        raise AssertionError
    assert caught.value.exit_code == 5
    assert caught.value.reference == "locked"
    assert kube.holder == str(ELSEWHERE)


def test_a_dead_process_of_this_machine_is_not_waited_for(kube: Watched) -> None:
    """When the holder was a process of this machine that is gone, its lease is taken over at once."""
    kube.taken(dead())
    with held(kube):
        assert kube.holder == str(Holder.here())
        assert kube.looks == 1


def test_a_lease_of_our_own_is_taken_again(kube: Watched) -> None:
    """A lease that names this very process is from a write whose reply was lost."""
    kube.taken(Holder.here())
    with held(kube):
        assert kube.looks == 1


def test_a_lease_that_is_not_renewed_is_taken_over(kube: Watched) -> None:
    """A lease of another machine is taken over once it was not renewed for its duration while we watched."""
    kube.taken(ELSEWHERE)
    with held(kube, 0.3):
        assert kube.holder == str(Holder.here())
    assert kube.looks > 3


def test_of_two_that_take_over_one_wins(kube: Watched) -> None:
    """Who is late at taking over a dead run's lease finds its version changed, and then the winner."""
    kube.taken(dead())
    winner = Holder("bob", "elsewhere", 12)
    apply = kube.apply

    def first_somebody_else(manifest: Manifest, *, force: bool = False) -> None:
        if kube.holder != str(winner):
            kube.taken(winner, "2026-01-01T00:00:09.000000Z")
        apply(manifest, force=force)

    kube.apply = first_somebody_else  # type: ignore[method-assign]
    with pytest.raises(Locked, match="bob@elsewhere/12"), held(kube):
        raise AssertionError
    assert kube.holder == str(winner)


def test_of_two_that_create_one_wins(kube: Watched) -> None:
    """Who is a moment late at creating the lease is told who was faster."""
    create = kube.create

    def late(manifest: Manifest) -> None:
        kube.taken(ELSEWHERE)
        create(manifest)

    kube.create = late  # type: ignore[method-assign]
    with pytest.raises(Locked, match="ann@elsewhere/4711"), held(kube):
        raise AssertionError


def test_a_lock_that_cannot_be_taken_says_why(kube: Watched) -> None:
    """A cluster that does not let us write the lease is an error of ours."""

    class Forbidden(Exception):
        status, reason = 403, "Forbidden"
        body = '{"message": "leases is forbidden: User \\"ann\\" cannot create resource \\"leases\\""}'

    def forbid(manifest: Manifest) -> None:  # noqa: ARG001 (as Kube's)
        raise Forbidden

    kube.create = forbid  # type: ignore[method-assign]
    with (
        pytest.raises(AckinstallError, match="the lock: 'ann' may not create 'leases'") as caught,
        held(kube),
    ):
        raise AssertionError
    assert caught.value.reference == "kubernetes-forbidden"


def test_the_lease_is_renewed_while_the_body_runs(kube: Watched) -> None:
    """A long run shows that it lives; a renewal that fails is made good by the next one."""
    apply, ended = kube.apply, threading.Event()
    renewals: list[str] = []

    def count(manifest: Manifest, *, force: bool = False) -> None:
        renewals.append(manifest["spec"]["renewTime"])
        if len(renewals) == 1:
            raise ConnectionError
        apply(manifest, force=force)
        if len(renewals) == 3:
            ended.set()

    kube.apply = count  # type: ignore[method-assign]
    with held(kube, 0.03):
        assert ended.wait(20)
    assert sorted(set(renewals)) == renewals


def test_a_run_that_lives_is_waited_for(kube: Watched) -> None:
    """With patience, the run that holds the lock may end first: then the lock is ours."""
    kube.taken(ELSEWHERE)
    kube.before[2] = lambda: kube.taken(ELSEWHERE, "2026-01-01T00:00:05.000000Z")
    kube.before[4] = lambda: kube.cluster.delete(REF)
    with held(kube, 3, patience=30):
        assert kube.holder == str(Holder.here())


def test_a_lost_lock_stops_the_run(kube: Watched) -> None:
    """When another run took the lock over, this one is told to stop, fails, and leaves the other's lease."""
    stop = threading.Event()
    kube.before[2] = lambda: kube.taken(ELSEWHERE)
    with pytest.raises(Locked, match="lost its lock") as caught, held(kube, 0.03, stop=stop):
        assert stop.wait(20)
    assert caught.value.reference == "lock-lost"
    assert kube.holder == str(ELSEWHERE)


def test_a_lock_that_cannot_be_renewed_is_lost(kube: Watched) -> None:
    """Without an answer for longer than the lease is good, another run may hold it: this one stops."""
    stop = threading.Event()

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError

    kube.apply = fail  # type: ignore[method-assign]
    with pytest.raises(Locked, match="lost its lock"), held(kube, 0.03, stop=stop):
        assert stop.wait(20)


def test_a_refusal_says_who_works_since_when_and_how_to_go_on(kube: Watched) -> None:
    """The lease names the command, the AWS identity, the machine and the time."""
    with held(kube):
        lease = kube.cluster.get(REF)
    assert lease is not None
    lease["spec"] |= {"acquireTime": "2026-01-01T00:00:00.000000Z", "holderIdentity": str(ELSEWHERE)}
    assert described(lease) == (
        "'ackinstall up' by 'arn:aws:iam::123456789012:user/ann' on ann@elsewhere/4711, "
        "since 2026-01-01T00:00:00.000000Z"
    )


IDENTITIES = ["ann@elsewhere/4711", "ann@elsewhere/", "", "nobody", "a@b/c"]


@pytest.mark.parametrize("identity", IDENTITIES)
def test_any_holder_can_be_read(identity: str) -> None:
    """A lease of any form names a holder; one of another machine is never taken for dead."""
    assert not Holder.read(identity).is_dead


def test_a_process_of_somebody_else_lives() -> None:
    """The first process of a machine lives, whoever may send it signals; so does this one."""
    assert not Holder("root", socket.gethostname(), 1).is_dead
    assert not Holder.here().is_dead
    assert Holder.read(str(Holder.here())).process == os.getpid()
