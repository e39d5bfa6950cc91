"""The registry's choices, and the one way through its proxy."""

import asyncio
import ssl
import tarfile
from pathlib import Path

import pytest

from ackinstall.sandbox import registry


def chart(folder: Path, name: str, **crds: str) -> Path:
    """Make an unpacked chart with CRDs of these names and texts."""
    path = folder / name
    (path / "crds").mkdir(parents=True)
    (path / "Chart.yaml").write_text(f"name: {name}\nversion: 1.0.0\n")
    for group, text in crds.items():
        (path / "crds" / f"services.k8s.aws_{group}.yaml").write_text(text)
    return path


class TestFindCharts:
    def test_a_source_is_a_chart(self, tmp_path: Path) -> None:
        one = chart(tmp_path, "one")
        (one / "vendored.tgz").touch()
        assert registry.find_charts([one]) == [one]

    def test_a_source_holds_charts(self, tmp_path: Path) -> None:
        one, two = chart(tmp_path, "one"), tmp_path / "two-1.0.0.tgz"
        two.touch()
        (tmp_path / "notes.txt").touch()
        assert registry.find_charts([tmp_path]) == [one, two]

    def test_a_source_without_charts_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no chart in '.*nothing'"):
            registry.find_charts([tmp_path / "nothing"])


class TestSharedCrds:
    def test_from_a_folder_and_from_a_package(self, tmp_path: Path) -> None:
        folder, other = chart(tmp_path, "one", fieldexports="a"), chart(tmp_path, "two", iamroleselectors="b")
        package = tmp_path / "two.tgz"
        with tarfile.open(package, "w:gz") as archive:
            archive.add(other, "two")
        assert registry.shared_crds([folder, package]) == {
            "services.k8s.aws_fieldexports.yaml": b"a",
            "services.k8s.aws_iamroleselectors.yaml": b"b",
        }

    def test_only_the_stand_in_takes_them(self, tmp_path: Path) -> None:
        crds = {"services.k8s.aws_fieldexports.yaml": b"a"}
        theirs, ours = chart(tmp_path, "theirs"), registry.STAND_INS / "applicationautoscaling-chart"
        assert registry.complete(theirs, crds, tmp_path / "out") == theirs
        copy = registry.complete(ours, crds, tmp_path / "out")
        assert (copy / "crds" / "services.k8s.aws_fieldexports.yaml").read_bytes() == b"a"
        assert not list(ours.glob("crds/services.k8s.aws_*"))


class TestProxy:
    @pytest.mark.parametrize("target", ["ghcr.io:443", "public.ecr.aws:80"])
    def test_every_other_host_is_refused_by_name(self, target: str) -> None:
        async def ask() -> bytes:
            proxy = registry.Proxy(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), registry=0)
            async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
                answer = await reader.read()
                writer.close()
                return answer

        head, _, body = asyncio.run(ask()).decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 403 Forbidden: the sandbox serves only public.ecr.aws\r\n")
        assert body == f"the sandbox has no way out to '{target}': only public.ecr.aws is served here\n"
