"""Where parts are looked for, and what is said when they cannot be had."""

from pathlib import Path

import pytest

from ackinstall.sandbox import parts
from ackinstall.sandbox.assembly import Wishes, needed_parts
from ackinstall.sandbox.building import ensure
from ackinstall.sandbox.parts import PARTS, PartsMissing, find, missing, version_in
from ackinstall.sandbox.progress import Progress


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all of PATH, on a machine with an empty cache."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return programs


def program(folder: Path, name: str, says: str) -> Path:
    """Make a program that prints a line."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v4.2.3+g1a2b3c", (4, 2, 3)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", (1, 32, 4)),
        ("etcd Version: 3.6.11\nGit SHA: x", (3, 6, 11)),
        ("Kubernetes v1.36.3", (1, 36, 3)),
        ("go1.26", (1, 26)),
        ("(devel)", ()),
        ("", ()),
    ],
)
def test_version_is_read_from_what_a_program_prints(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version


@pytest.mark.parametrize(
    ("name", "says", "taken"),
    [
        ("helm", "v3.13.0+g1", False),
        ("helm", "v3.13.1+g1", True),
        ("helm", "v4.0.0+g1", True),
        ("kube-apiserver", "Kubernetes v1.34.9", False),
        ("kube-apiserver", "Kubernetes v1.35.0", True),
        ("etcd", "etcd Version: 3.4.30", False),
        ("etcd", "etcd Version: 3.5.0", True),
        ("etcd", "no version at all", False),
    ],
)
def test_program_on_path_counts_only_when_its_version_will_do(
    bare: Path, name: str, says: str, *, taken: bool
) -> None:
    program(bare, name, says)
    found = find(name)
    assert (found is not None) == taken
    if found:
        assert (found.path, found.where) == (bare / name, "found on PATH")


def test_assets_folder_comes_before_path_and_cache(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    cached = PARTS["etcd"].cached
    cached.parent.mkdir(parents=True)
    program(cached.parent, "etcd", "etcd Version: 3.6.11")
    assert find("etcd") == parts.Found(cached, "3.6.11", "from the cache")
    program(bare, "etcd", "etcd Version: 3.6.1")
    assert find("etcd") == parts.Found(bare / "etcd", "3.6.1", "found on PATH")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    program(assets, "etcd", "etcd Version: 3.6.2")
    assert find("etcd") == parts.Found(assets / "etcd", "3.6.2", "found in KUBEBUILDER_ASSETS")


def test_link_on_path_is_followed_because_the_sandbox_that_made_it_may_go(bare: Path, tmp_path: Path) -> None:
    real = program(tmp_path, "helm-4", "v4.2.3")
    (bare / "helm").symlink_to(real)
    found = find("helm")
    assert found
    assert found.path == real


@pytest.mark.usefixtures("bare")
def test_machine_without_go_is_told_what_it_lacks_before_anything_is_made(tmp_path: Path) -> None:
    assert missing(["etcd", "crane"]) == dict.fromkeys(["etcd", "crane"], parts.NO_GO)
    with pytest.raises(PartsMissing) as raised:
        ensure(["etcd", "crane"], Progress())
    assert raised.value.message == "the sandbox cannot be made here: no Go to build etcd, crane"
    for way_out in ("install Go 1.26", "KUBEBUILDER_ASSETS", "PATH"):
        assert way_out in raised.value.hint
    assert not (tmp_path / "cache").exists()


def test_old_go_cannot_build(bare: Path) -> None:
    program(bare, "go", "go1.20.1")
    assert missing(["etcd"]) == {"etcd": parts.NO_GO}
    program(bare, "go", "go1.26.0")
    assert missing(["etcd"]) == {}


def test_every_built_part_has_its_own_place_and_those_of_a_sandbox_their_own_program_names() -> None:
    built = [part for name in needed_parts(Wishes("demo")) if (part := PARTS[name]).package]
    assert len({part.built for part in built}) == len(built)
    assert PARTS["etcd"].built == "server"
    assert len({part.cached for part in PARTS.values()}) == len(PARTS)


def test_versions_come_from_the_go_module() -> None:
    assert PARTS["kube-apiserver"].version == parts.go_version("k8s.io/kubernetes")
    with pytest.raises(LookupError):
        parts.go_version("example.com/none")
