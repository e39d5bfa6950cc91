"""The options that several commands share, as typer reads them off a signature."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """How a command answers."""

    TEXT = "text"
    JSON = "json"


class Workloads(StrEnum):
    """What `down` does with custom resources that are alive."""

    REFUSE = "refuse"
    DELETE = "delete"
    RETAIN = "retain"


class Purpose(StrEnum):
    """What `iam-policy` allows."""

    UP = "up"
    DOWN = "down"
    CHECK = "check"
    ALL = "all"


class OutputsFormat(StrEnum):
    """How `outputs` writes."""

    ENV = "env"
    JSON = "json"


ClusterName = Annotated[str, typer.Option("--cluster", help="The EKS cluster's name.", metavar="NAME")]
Region = Annotated[str | None, typer.Option(help="The cluster's region; default: the AWS configuration's.")]
ProfileName = Annotated[
    str,
    typer.Option(
        "--profile", help="What to install: a shipped profile's name, or a file.", metavar="NAME|FILE"
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Put a value over the profile's.", metavar="KEY=VALUE")
]
Account = Annotated[
    str, typer.Option(help="The AWS account that it has to be; another one stops at once.", metavar="ID")
]
SkipCheck = Annotated[
    list[str] | None,
    typer.Option("--skip-check", help="Leave this check out; can be repeated.", metavar="ID"),
]
AwsProfile = Annotated[str | None, typer.Option(help="The AWS profile with the credentials.", metavar="NAME")]
Kubeconfig = Annotated[
    str | None,
    typer.Option(help="Reach the cluster by this kubeconfig; default: by what EKS says.", metavar="FILE"),
]
Context = Annotated[str | None, typer.Option(help="The kubeconfig's context.", metavar="NAME")]
OutputAs = Annotated[Output, typer.Option("--output", help="Text, or a stream of JSON lines.")]
EventsFile = Annotated[
    Path | None, typer.Option("--events", help="Write the stream of events to a file too.", metavar="FILE")
]
Timeout = Annotated[float | None, typer.Option(help="The longest wait for one object, in seconds.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Adopt = Annotated[bool, typer.Option("--adopt", help="Take over what exists, is not ours and differs.")]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", help="Move charts to the newest version in the profile's range.")
]
DeleteData = Annotated[bool, typer.Option("--delete-data", help="Delete the bucket's objects too.")]
WorkloadsWay = Annotated[
    Workloads, typer.Option("--workloads", help="What happens to custom resources that are alive.")
]
Workers = Annotated[
    int, typer.Option(help="How many objects are worked on side by side.", min=1, max=32, hidden=True)
]
LockTimeout = Annotated[
    float, typer.Option("--lock-timeout", help="How long to wait for another run's end, in seconds.", min=0)
]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR=1 does the same.")]
Wait = Annotated[bool, typer.Option("--wait", help="Look until all is well.")]
RetainedTo = Annotated[
    Path | None, typer.Option(help="Where `--workloads retain` lists what stays.", metavar="FILE")
]
RepairController = Annotated[
    bool, typer.Option("--repair-controller", help="Put the controllers back first, as `up` does.")
]
