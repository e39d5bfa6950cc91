"""What `up` tells at its end."""

from ackinstall import documents
from ackinstall.report import Report
from ackinstall.target import Target


def tell(target: Target, report: Report) -> None:
    """Say what was installed, and what comes next."""
    found = documents.outputs(target.profile, target.facts)
    report.event("installed", outputs=found)
    name = target.facts.cluster.name
    report.say(
        "",
        f"the ACK controllers on '{name}' run, and have proven that they can assume their role",
        f"  role:      {found['IAM_ROLE_ARN_FOR_IRSA']}",
        f"  look:      ackinstall status --cluster {name}",
        f'  go on:     eval "$(ackinstall outputs --cluster {name})"',
        f"  take back: ackinstall down --cluster {name}",
    )
