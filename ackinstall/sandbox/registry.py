"""The registry that answers for public.ecr.aws in the sandbox.

Programs reach it as `HTTPS_PROXY`: a CONNECT to public.ecr.aws ends here, in TLS with a certificate of the
sandbox's own authority, and goes on to `crane registry serve`; every other host is refused, so that nothing
in the sandbox depends on a network. Chart references need no change: `helm pull
oci://public.ecr.aws/aws-controllers-k8s/sagemaker-chart`, version ranges too.
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import ssl
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "public.ecr.aws"
REPOSITORY = f"oci://{HOST}/aws-controllers-k8s"
STAND_INS = Path(__file__).parent / "charts"
SHARED_CRD = re.compile(r"(?:^|/)crds/(services\.k8s\.aws_\w+\.yaml)$")
SERVING = re.compile(rb"serving on port (\d+)")


@dataclass(frozen=True)
class Options:
    """What one registry needs: its port, its programs, its TLS files, its charts and a folder to work in."""

    port: int
    crane: str
    helm: str
    certificate: Path
    key: Path
    directory: Path
    ready: Path
    charts: Sequence[Path]


def find_charts(sources: Sequence[Path]) -> list[Path]:
    """Return each chart, an unpacked folder or a .tgz, that a source is or holds.

    Raises FileNotFoundError, naming the source, where there is none.
    """
    charts: list[Path] = []
    for source in sources:
        inside = [source, *sorted(source.glob("*"))]
        found = [path for path in inside if is_chart(path)]
        if not found:
            raise FileNotFoundError(f"no chart in '{source}': neither a Chart.yaml nor a .tgz")
        charts += found[:1] if is_chart(source) else found
    return charts


def is_chart(path: Path) -> bool:
    """Tell whether this is a packaged or an unpacked chart."""
    return (path.suffix == ".tgz" and path.is_file()) or (path / "Chart.yaml").is_file()


def shared_crds(charts: Sequence[Path]) -> dict[str, bytes]:
    """Return the CRDs that all ACK charts share (group services.k8s.aws) from these charts, by file name."""
    found: dict[str, bytes] = {}
    for chart in charts:
        if chart.is_dir():
            found |= {file.name: file.read_bytes() for file in chart.glob("crds/services.k8s.aws_*.yaml")}
            continue
        with tarfile.open(chart) as archive:
            for member in archive:
                match, content = SHARED_CRD.search(member.name), archive.extractfile(member)
                if match and content:
                    found[match[1]] = content.read()
    return found


def complete(chart: Path, crds: dict[str, bytes], into: Path) -> Path:
    """Return the chart, a stand-in of ours with the shared CRDs added, in a copy made in the folder `into`.

    The real charts carry these files byte for byte alike, so ours takes them from its neighbours.
    """
    if not chart.resolve().is_relative_to(STAND_INS):
        return chart
    copy = shutil.copytree(chart, into / chart.name)
    for name, content in crds.items():
        (copy / "crds" / name).write_bytes(content)
    return copy


async def run(*command: str, env: dict[str, str]) -> None:
    """Run a command; raise RuntimeError with what it said when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"'{' '.join(command)}' failed: {output.decode(errors='replace').strip()}")


async def publish(chart: Path, options: Options, scratch: Path) -> None:
    """Push a chart through the proxy, as anyone would push it to the gallery."""
    home = scratch / f"helm-{chart.name}"
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HTTPS_PROXY": f"http://127.0.0.1:{options.port}",
        # Go takes a certificate that is itself in the trusted file, so its authority is not needed here.
        "SSL_CERT_FILE": str(options.certificate),
        "HOME": str(home),
        "HELM_CACHE_HOME": str(home / "cache"),
        "HELM_CONFIG_HOME": str(home / "config"),
        "HELM_DATA_HOME": str(home / "data"),
    }
    package = chart
    if chart.suffix != ".tgz":
        await run(options.helm, "package", str(chart), "--destination", str(home), env=env)
        (package,) = home.glob("*.tgz")
    await run(options.helm, "push", str(package), REPOSITORY, env=env)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side ends."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass(frozen=True)
class Proxy:
    """A CONNECT proxy that knows one host, and answers for it from a registry on a loopback port."""

    tls: ssl.SSLContext
    registry: int

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, *_ = head.decode("latin-1").split(maxsplit=2)
            if (method, target) == ("CONNECT", f"{HOST}:443"):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.start_tls(self.tls)
                upstream, downstream = await asyncio.open_connection("127.0.0.1", self.registry)
                await asyncio.gather(pump(reader, downstream), pump(upstream, writer))
                return
            body = f"the sandbox has no way out to '{target}': only {HOST} is served here\n".encode()
            writer.write(
                b"HTTP/1.1 403 Forbidden: the sandbox serves only public.ecr.aws\r\nConnection: close\r\n"
                b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            await writer.drain()
        writer.close()


async def registry_port(crane: asyncio.subprocess.Process) -> int:
    """Return the port that crane says it serves on; raise RuntimeError when it ends without saying."""
    said = b""
    while line := await _stderr(crane).readline():
        said += line
        if match := SERVING.search(line):
            return int(match[1])
    raise RuntimeError(f"'crane registry serve' ended: {said.decode(errors='replace').strip()}")


async def follow(crane: asyncio.subprocess.Process) -> None:
    """Pass on crane's log, so that its pipe never fills."""
    async for line in _stderr(crane):
        sys.stderr.buffer.write(line)
        sys.stderr.flush()


def _stderr(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stderr is None:
        raise TypeError("the process was started without a pipe")
    return process.stderr


async def serve(options: Options) -> None:
    """Serve, publish the charts, touch the ready file, and go on until SIGTERM or SIGINT."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    charts = find_charts(options.charts)
    crds = shared_crds(charts)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(options.certificate, options.key)
    crane = await asyncio.create_subprocess_exec(
        options.crane, "registry", "serve", "--address", "127.0.0.1:0", stderr=asyncio.subprocess.PIPE
    )
    try:
        proxy = Proxy(tls, await registry_port(crane))
        async with await asyncio.start_server(proxy.serve, "127.0.0.1", options.port):
            ended = asyncio.create_task(follow(crane))
            with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
                charts = [complete(chart, crds, Path(scratch)) for chart in charts]
                await asyncio.gather(*(publish(chart, options, Path(scratch)) for chart in charts))
            options.ready.touch()
            await asyncio.wait({ended, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        with contextlib.suppress(ProcessLookupError):
            crane.terminate()
        await crane.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the registry in the foreground."""
    parser = argparse.ArgumentParser(prog="python -m ackinstall.sandbox.registry", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="loopback port of the proxy")
    parser.add_argument("--crane", required=True, help="the crane program")
    parser.add_argument("--helm", required=True, help="the helm program")
    parser.add_argument("--certificate", type=Path, required=True, help=f"PEM certificate for {HOST}")
    parser.add_argument("--key", type=Path, required=True, help="PEM key of the certificate")
    parser.add_argument("--directory", type=Path, required=True, help="folder for temporary files")
    parser.add_argument("--ready", type=Path, required=True, help="file to touch once the charts are there")
    parser.add_argument("--charts", type=Path, nargs="*", default=[], help="charts or folders of charts")
    try:
        asyncio.run(serve(Options(**vars(parser.parse_args(arguments)))))
    except (OSError, RuntimeError) as error:
        sys.exit(f"the registry cannot start: {error}")


if __name__ == "__main__":
    main()
