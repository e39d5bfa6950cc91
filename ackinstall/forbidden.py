"""What Kubernetes says when it forbids something: to whom, which verb on what; and the rule that allows it.

The wording is that of the API server, which helm passes on; rules are those of a Role or a ClusterRole:
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#role-and-clusterrole
"""

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

_WORDING = re.compile(
    r"""User ["'](?P<user>[^"']*)["'] cannot (?P<verb>[\w*-]+) """
    r"""(?:path ["'](?P<path>[^"']+)["']|resource ["'](?P<resource>[^"']+)["'])"""
    r"""(?: in API group ["'](?P<group>[^"']*)["'])?"""
    r"""(?: in the namespace ["'](?P<namespace>[^"']+)["'])?"""
)
_ESCALATION = re.compile(
    r"""(?P<resource>(?:cluster)?role(?:binding)?s)\.(?P<group>[\w.]+) .* is forbidden: """
    r"""user ["'](?P<user>[^"']*)["'].* is attempting to grant RBAC permissions not currently held""",
    re.DOTALL,
)

_ROLE = re.compile(r":assumed-role/([^/]+)/")
GROUP = "ackinstall"
"""The group, in Kubernetes, that hints name."""

Right = tuple[str, str, str, str]
"""A verb, on an API group's kind of objects (its plural name, or the path of a URL), in a namespace or "" for
all of them."""


class Forbidden(NamedTuple):
    """A user as the cluster knows it, "" when that is not told, and the right that it lacks."""

    user: str
    right: Right

    @property
    def message(self) -> str:
        """Who may not do what, where."""
        verb, group, resource, namespace = self.right
        what = f"{resource}.{group}" if group else resource
        where = f" in the namespace '{namespace}'" if namespace else " on the cluster"
        return f"{_who(self.user)} may not {verb} '{what}'{where}"

    @property
    def hint(self) -> str:
        """The rule that allows it, and where it belongs."""
        return remedy(self.user, [self.right])


def read(text: str) -> Forbidden | None:
    """Return what `text` says is forbidden; None when it speaks of no missing right."""
    if match := _WORDING.search(text):
        resource = match["resource"] or match["path"]
        return Forbidden(
            match["user"], (match["verb"], match["group"] or "", resource, match["namespace"] or "")
        )
    if match := _ESCALATION.search(text):
        verb = "bind" if "binding" in match["resource"] else "escalate"
        kind = match["resource"].replace("bindings", "s")
        return Forbidden(match["user"], (verb, match["group"], kind, ""))
    return None


def remedy(user: str, rights: Iterable[Right]) -> str:
    """Return the rules that allow all `rights`, in YAML on one line, and the roles that they belong into. A
    session is another user tomorrow, so its role's access entry gets a group, which is bound in its place.

    https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
    """
    places: dict[str, dict[tuple[str, str], list[str]]] = {}
    for verb, group, resource, namespace in rights:
        verbs = places.setdefault(namespace, {}).setdefault((group, resource), [])
        verbs += [verb] if verb not in verbs else []
    told = [f"{_place(namespace)}: {_rules(objects)}" for namespace, objects in sorted(places.items())]
    to = f"to {'; and to '.join(told)}"
    role = _ROLE.search(user)
    if role is None:
        return f"bind {_who(user)} {to}"
    return (
        f"bind the group '{GROUP}' {to}; and let the role '{role[1]}' be in it: `aws eks update-access-entry "
        f"--cluster-name NAME --principal-arn {role_arn(role[1])} --kubernetes-groups {GROUP}`"
    )


def role_arn(name: str) -> str:
    """Return what a shell replaces by the ARN of a role: its path is not in its sessions' ARNs, and an access
    entry has it.
    """
    return f'"$(aws iam get-role --role-name {name} --query Role.Arn --output text)"'


def _place(namespace: str) -> str:
    return f"a Role in '{namespace}' with the rules" if namespace else "a ClusterRole with the rules"


def _rules(objects: dict[tuple[str, str], list[str]]) -> str:
    return "[" + ", ".join(_rule(*key, verbs) for key, verbs in objects.items()) + "]"


def _rule(group: str, resource: str, verbs: list[str]) -> str:
    if resource.startswith("/"):
        return f"{{nonResourceURLs: {json.dumps([resource])}, verbs: {json.dumps(verbs)}}}"
    return (
        f"{{apiGroups: {json.dumps([group])}, resources: {json.dumps([resource])}, "
        f"verbs: {json.dumps(verbs)}}}"
    )


def _who(user: str) -> str:
    return f"'{user}'" if user else "this identity"
