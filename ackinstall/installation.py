"""What `up` tells at its end."""

from ackinstall import documents
from ackinstall.report import Report
from ackinstall.target import Choice, Target


def tell(choice: Choice, target: Target, report: Report) -> None:
    """Say what was installed, and what comes next on the target of `choice`."""
    found = documents.outputs(target.profile, target.facts)
    report.event("installed", outputs=found)
    name = target.facts.cluster.name
    report.say(
        "",
        f"the ACK controllers on '{name}' run, and have proven that they can assume their role",
        f"  role:      {found['IAM_ROLE_ARN_FOR_IRSA']}",
        f"  look:      {choice.again('status')}",
        f'  go on:     eval "$({choice.again("outputs")})"',
        f"  take back: {choice.again('down')}",
    )
