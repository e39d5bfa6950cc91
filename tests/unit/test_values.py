"""The values of a release: the profile's, with what the cluster needs patched in where the chart has it."""

from typing import Any

import pytest
from tables import cases

from ackinstall.errors import UsageError
from ackinstall.profile import Controller
from ackinstall.values import merged, patched

CHART: dict[str, Any] = {
    "aws": {"region": ""},
    "serviceAccount": {"name": "ack-sagemaker-controller", "annotations": {}},
    "resources": {"limits": {"memory": "128Mi"}},
    "nodeSelector": {},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "aws": {"type": "object", "properties": {"region": {"type": "string"}}},
        "replicas": {"type": "integer"},
        "nodeSelector": {"type": "object"},
    },
}
REGION = ("aws", "region")
ROLE = ("serviceAccount", "annotations", "eks.amazonaws.com/role-arn")


def controller(values: dict[str, Any]) -> Controller:
    """Return a controller with these values in the profile."""
    return Controller(service="sagemaker", chart="oci://x/sagemaker-chart", version=">=0", values=values)


PATCHED: list[tuple[str, dict[str, Any], dict[tuple[str, ...], Any], dict[str, Any]]] = [
    ("a key that the chart has", {}, {REGION: "us-west-2"}, {"aws": {"region": "us-west-2"}}),
    (
        "an annotation where there are some",
        {},
        {ROLE: "arn"},
        {"serviceAccount": {"annotations": {ROLE[2]: "arn"}}},
    ),
    ("a key that the chart has not", {}, {("aws", "zone"): "a"}, {}),
    ("a key below one that the chart has not", {}, {("gcp", "region"): "a"}, {}),
    ("a key below a value", {}, {("aws", "region", "name"): "a"}, {}),
    ("an annotation where there are none", {}, {("deployment", "annotations", "a"): "b"}, {}),
    (
        "over the profile's own",
        {"aws": {"region": "x"}},
        {REGION: "us-west-2"},
        {"aws": {"region": "us-west-2"}},
    ),
    ("beside the profile's own", {"replicas": 2}, {REGION: "a"}, {"replicas": 2, "aws": {"region": "a"}}),
    ("what only the schema knows", {"replicas": 2}, {}, {"replicas": 2}),
    ("anything in a free mapping", {"nodeSelector": {"a": "b"}}, {}, {"nodeSelector": {"a": "b"}}),
    ("a value for a mapping", {"resources": None}, {}, {"resources": None}),
]


@pytest.mark.parametrize(("values", "patches", "wanted"), cases(PATCHED))
def test_what_a_release_gets(
    values: dict[str, Any], patches: dict[tuple[str, ...], Any], wanted: dict[str, Any]
) -> None:
    """A patch is made only where the pulled chart has the key; the profile's values are kept."""
    profile = controller(values)
    assert patched(profile, CHART, SCHEMA, patches) == wanted
    assert profile.values == values


UNKNOWN: list[tuple[str, dict[str, Any], str]] = [
    (
        "at the top",
        {"resorces": {}},
        "controllers.sagemaker.values: there is no key 'resorces'; did you mean 'resources'?",
    ),
    (
        "below",
        {"resources": {"limit": {}}},
        "controllers.sagemaker.values.resources: there is no key 'limit'; did you mean 'limits'?",
    ),
    (
        "of a schema",
        {"replica": 1},
        "controllers.sagemaker.values: there is no key 'replica'; did you mean 'replicas'?",
    ),
]


@pytest.mark.parametrize(("values", "message"), cases(UNKNOWN))
def test_an_unknown_value_is_named(values: dict[str, Any], message: str) -> None:
    """A key that the chart has not is an error that names it and the nearest known one."""
    with pytest.raises(UsageError) as caught:
        patched(controller(values), CHART, SCHEMA, {})
    assert (caught.value.reference, caught.value.message) == ("unknown-value", message)
    assert caught.value.hint.startswith("these keys exist: ")


def test_what_the_schema_refuses_is_named() -> None:
    """The chart's own schema is held against the values, as Helm would."""
    with pytest.raises(
        UsageError, match=r"controllers\.sagemaker\.values\.replicas: the chart refuses it"
    ) as caught:
        patched(controller({"replicas": "two"}), CHART, SCHEMA, {})
    assert caught.value.reference == "value-refused-by-chart"


def test_a_chart_without_values_takes_any() -> None:
    """A chart that tells nothing of its values gets what the profile says."""
    assert patched(controller({"a": 1}), {}, {}, {REGION: "x"}) == {"a": 1}


def test_merging_is_helms() -> None:
    """Mappings are merged, everything else is replaced."""
    under = {"a": {"b": 1, "c": [1]}, "d": 1}
    assert merged(under, {"a": {"c": [2]}, "d": {"e": 1}}) == {"a": {"b": 1, "c": [2]}, "d": {"e": 1}}
