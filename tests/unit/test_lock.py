"""The lock: one run at a time for a cluster, and a dead run lets it go."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from support.cluster import Cluster
from support.commands import Instead
from support.faults import Faults
from support.kube import FakeKube

from ackinstall import process, rights
from ackinstall.errors import AckinstallError, Locked
from ackinstall.kube import Manifest, Ref
from ackinstall.lock import PROCESS, REF, Claim, LeaseLock, _now, described, take_away, user_name

CLAIM = Claim(caller="arn:aws:iam::123456789012:user/ann", command="up")
ELSEWHERE = "ann@elsewhere/4711-1a2b3c4d"
PATIENT = 20.0
"""Seconds after which a test that hangs is over."""
SLACK = 3.0
"""Seconds for which a lease is good in a test in which it is renewed: a busy machine may be late."""


def held(kube: FakeKube, seconds: float = 15, patience: float = 0) -> AbstractContextManager[None]:
    """Hold the lock as `up` does."""
    return LeaseLock(kube, replace(CLAIM, patience=patience), seconds).held()


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

    def taken(self, holder: str, renewed: str = "2026-01-01T00:00:00.000000Z", in_process: str = "") -> None:
        """Let somebody hold the lease, who renewed it at a time."""
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed}
        metadata = {"name": REF.name, "namespace": REF.namespace, "annotations": {PROCESS: in_process}}
        lease = {"apiVersion": REF.api_version, "kind": REF.kind, "metadata": metadata, "spec": spec}
        self.cluster.apply(lease, "somebody/Apply", force=True)

    @property
    def lease(self) -> Manifest:
        """The lease, which is there."""
        found = self.cluster.get(REF)
        assert found is not None
        return found

    @property
    def holder(self) -> str:
        """Who holds the lease; "" when nobody does."""
        lease = self.cluster.get(REF)
        return str(lease["spec"]["holderIdentity"]) if lease else ""


@pytest.fixture
def kube() -> Watched:
    """A cluster without a lock."""
    return Watched()


def dead() -> str:
    """Return the identity of a process of this machine that is gone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as one:
        return process.identify(one.pid)


here = pytest.mark.skipif(not CLAIM.process, reason="this system does not tell processes apart")


def test_the_lock_is_held_and_let_go(kube: Watched) -> None:
    """The lease names this run while the body runs, and is gone afterwards, also after a failure."""
    with held(kube):
        assert kube.holder == CLAIM.holder
    assert kube.holder == ""
    with pytest.raises(ZeroDivisionError), held(kube):
        raise ZeroDivisionError
    assert kube.holder == ""


def test_a_run_has_a_name_of_its_own() -> None:
    """A person recognises user, machine and process; two runs never have the same name."""
    name, other = Claim().holder, Claim().holder
    assert name.startswith(f"{user_name()}@{socket.gethostname()}/{os.getpid()}-")
    assert name != other


def test_a_user_without_a_name_is_a_number() -> None:
    """A container may run as a user id that its passwd does not name."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1001")

    assert user_name(nobody) == f"uid-{os.getuid()}"


def test_a_lock_whose_holder_lives_is_refused(kube: Watched) -> None:
    """A lease that is renewed while we watch belongs to a run that lives: exit 5, and it stays as it is."""
    kube.taken(ELSEWHERE)
    kube.before[3] = lambda: kube.taken(ELSEWHERE, "2026-01-01T00:00:05.000000Z")
    message = "another run of ackinstall works on this cluster: ann@elsewhere"
    with pytest.raises(Locked, match=message) as caught, held(kube):
        raise AssertionError
    assert caught.value.exit_code == 5
    assert caught.value.reference == "locked"
    assert kube.holder == ELSEWHERE


@here
def test_a_dead_process_of_this_machine_is_not_waited_for(kube: Watched) -> None:
    """When the holder was a process of this machine that is gone, its lease is taken over at once."""
    kube.taken(ELSEWHERE, in_process=dead())
    lock = LeaseLock(kube, CLAIM)
    looks = kube.looks
    with lock.held():
        assert kube.holder == CLAIM.holder
        assert kube.looks == looks + 1


@here
def test_a_container_of_the_same_name_is_waited_for(kube: Watched) -> None:
    """Its process ids are not ours: that the same id is not there, or is our own, says nothing."""
    place, number, started = CLAIM.process.split(" ")
    elsewhere = f"{place.split('/')[0]}/pid:[1]"
    for one in (f"{elsewhere} {number} {started}", f"{elsewhere} {2**22 + 1} {started}"):
        kube.taken(CLAIM.holder.rpartition("-")[0] + "-1a2b3c4d", in_process=one)
        with held(kube, 0.3):
            assert kube.looks > 4
        kube.looks = 0


def test_a_lease_of_our_own_is_taken_again(kube: Watched) -> None:
    """A lease that names this very run is from a write whose reply was lost."""
    create = kube.create

    def lose_reply(manifest: Manifest) -> None:
        create(manifest)
        raise ConnectionResetError

    kube.create = lose_reply  # type: ignore[method-assign]
    lock = LeaseLock(kube, CLAIM)
    with lock.held():
        assert kube.looks == 3
    assert not lock.contended


def test_a_lease_that_is_not_renewed_is_taken_over(kube: Watched) -> None:
    """A lease of another machine is taken over once it was not renewed for its duration while we watched."""
    kube.taken(ELSEWHERE)
    with held(kube, 0.3):
        assert kube.holder == CLAIM.holder
    assert kube.looks > 3


def test_of_two_that_take_over_one_wins(kube: Watched) -> None:
    """Who is late at taking over a dead run's lease finds its version changed, and then the winner."""
    kube.taken(ELSEWHERE)
    winner = "bob@elsewhere/12-1a2b3c4d"
    merge = kube.merge

    def first_somebody_else(ref: Ref, patch: Manifest) -> None:
        if kube.holder != winner:
            kube.taken(winner, "2026-01-01T00:00:09.000000Z")
        merge(ref, patch)

    kube.merge = first_somebody_else  # type: ignore[method-assign]
    with pytest.raises(Locked, match="bob@elsewhere/12"), held(kube, 1):
        raise AssertionError
    assert kube.holder == winner


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
    merge, ended = kube.merge, threading.Event()
    renewals: list[str] = []

    def count(ref: Ref, patch: Manifest) -> None:
        renewals.append(patch["spec"]["renewTime"])
        if len(renewals) == 1:
            raise ConnectionError
        merge(ref, patch)
        if len(renewals) == 3:
            ended.set()

    kube.merge = count  # type: ignore[method-assign]
    lock = LeaseLock(kube, CLAIM, SLACK)
    with lock.held():
        assert ended.wait(PATIENT)
        assert lock.lost() == ""
    assert sorted(set(renewals)) == renewals


def test_the_time_of_a_lease_counts_from_before_its_renewal(kube: Watched) -> None:
    """However long the answer takes: another run may have seen the renewal when it was sent."""
    merge, again, goes_on = kube.merge, threading.Event(), threading.Event()
    times: list[float] = []

    def note(ref: Ref, patch: Manifest) -> None:
        times.append(_now())
        merge(ref, patch)

    def hold_up() -> None:
        again.set()
        goes_on.wait(PATIENT)

    kube.merge = note  # type: ignore[method-assign]
    kube.before[4] = hold_up  # the second renewal
    lock = LeaseLock(kube, CLAIM, 2 * SLACK)
    with lock.held():
        assert again.wait(PATIENT)
        assert lock._until <= times[0] + 2 * SLACK * 2 / 3
        goes_on.set()


def test_a_run_that_lives_is_waited_for(kube: Watched) -> None:
    """With patience, the run that holds the lock may end first: then the lock is ours."""
    kube.taken(ELSEWHERE)
    kube.before[3] = lambda: kube.taken(ELSEWHERE, "2026-01-01T00:00:05.000000Z")
    kube.before[5] = lambda: kube.cluster.delete(REF)
    with held(kube, 3, patience=30):
        assert kube.holder == CLAIM.holder


def test_a_lock_knows_of_others(kube: Watched) -> None:
    """Whoever held the lease when the lock was made, or was waited for, may have worked since."""
    free = LeaseLock(kube, CLAIM)
    with free.held():
        assert not free.contended
        assert LeaseLock(kube, Claim()).contended
    late = LeaseLock(kube, Claim(), 0.3)
    kube.taken(ELSEWHERE)
    with late.held():
        assert late.contended


def until_lost(lock: LeaseLock) -> float:
    """Return the time at which the lock is lost."""
    end = time.monotonic() + PATIENT
    while not lock.lost():
        assert time.monotonic() < end
        time.sleep(0.005)
    return time.monotonic()


def test_a_lock_that_was_taken_over_is_lost(kube: Watched) -> None:
    """The next renewal finds the other run: this one writes no more, fails, and leaves the other's lease."""
    lock = LeaseLock(kube, CLAIM, SLACK)
    kube.before[3] = lambda: kube.taken(ELSEWHERE)
    with (
        pytest.raises(Locked, match=r"next write: it is with .* on ann@elsewhere/4711") as caught,
        lock.held(),
    ):
        until_lost(lock)
    assert caught.value.reference == "lock-lost"
    assert kube.holder == ELSEWHERE


def test_a_lock_that_was_taken_away_is_lost(kube: Watched) -> None:
    """`unlock` takes it away: the run does not take it again."""
    lock = LeaseLock(kube, CLAIM, SLACK)
    kube.before[3] = lambda: kube.cluster.delete(REF)
    with pytest.raises(Locked, match="somebody took it away"), lock.held():
        until_lost(lock)
    assert kube.holder == ""


def test_a_lock_whose_renewal_hangs_is_lost_before_another_may_take_it(kube: Watched) -> None:
    """Whatever the call does, no write follows once two thirds of the lease's time are over since the last
    renewal began; and what comes through too late gives nothing back.
    """
    goes_on = threading.Event()
    kube.before[3] = lambda: goes_on.wait(PATIENT)
    lock = LeaseLock(kube, CLAIM, 1.5)

    def hang() -> None:
        with lock.held():
            began = time.monotonic()
            assert until_lost(lock) - began > 0.9
            goes_on.set()
            lock._keeper.join()
            assert lock.lost()

    with pytest.raises(Locked, match="no renewal came through for 1 s"):
        hang()


def test_no_lock_is_no_right_to_write(kube: Watched) -> None:
    """Before it is held and after it was let go a lock says so."""
    lock = LeaseLock(kube, CLAIM)
    assert lock.lost() == "it is not held"
    with lock.held():
        assert lock.lost() == ""
    assert lock.lost() == "it was let go"


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_a_lock_that_cannot_be_let_go_spoils_nothing(kube: Watched, verb: str) -> None:
    """The lease ends by itself: a run that was done is done, and another error stays the one that is told."""

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError

    broken: Any = Instead(kube)
    with LeaseLock(broken, CLAIM).held():
        broken._others[verb] = fail
    broken._others.clear()
    lock = LeaseLock(broken, CLAIM)

    def spoil() -> None:
        with lock.held():
            broken._others[verb] = fail
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spoil()


def test_only_our_own_lease_is_let_go(kube: Watched) -> None:
    """Not that of a run which takes it over between our look and our delete."""
    delete = kube.delete

    def late(ref: Ref, only: Manifest | None = None) -> None:
        kube.taken(ELSEWHERE, "2026-01-01T00:00:09.000000Z")
        delete(ref, only)

    kube.delete = late  # type: ignore[method-assign]
    with held(kube):
        pass
    assert kube.holder == ELSEWHERE


def test_unlocking_takes_what_was_seen(kube: Watched) -> None:
    """The lease of the run that was shown goes, also while it is renewed; that of another run stays."""
    delete = kube.delete

    def renewed_first(ref: Ref, only: Manifest | None = None) -> None:
        kube.delete = delete  # type: ignore[method-assign]
        kube.taken(ELSEWHERE, "2026-01-01T00:00:05.000000Z")
        delete(ref, only)

    kube.taken(ELSEWHERE)
    seen = kube.lease
    kube.delete = renewed_first  # type: ignore[method-assign]
    take_away(kube, seen)
    assert kube.holder == ""
    take_away(kube, seen)
    kube.taken("bob@elsewhere/12-1a2b3c4d")
    with pytest.raises(Locked, match="meanwhile another run has taken the lock: bob@elsewhere/12"):
        take_away(kube, seen)
    assert kube.holder.startswith("bob")


def test_a_refusal_says_who_works_since_when_and_how_to_go_on(kube: Watched) -> None:
    """The lease names the command, the AWS identity, the machine and the time."""
    with held(kube):
        lease = {**kube.lease}
    lease["spec"] |= {"acquireTime": "2026-01-01T00:00:00.000000Z", "holderIdentity": ELSEWHERE}
    assert described(lease) == (
        "'ackinstall up' by 'arn:aws:iam::123456789012:user/ann' on ann@elsewhere/4711-1a2b3c4d, "
        "since 2026-01-01T00:00:00.000000Z"
    )


def test_the_rights_that_a_lock_takes_are_asked_for() -> None:
    """A lease is looked at, made, renewed and let go."""
    needed = [str(one) for one in rights.to_carry_out([], "ack-system")]
    leases = "'leases.coordination.k8s.io' in 'kube-system'"
    assert needed == [f"{verb} {leases}" for verb in ("get", "create", "patch", "delete")]
