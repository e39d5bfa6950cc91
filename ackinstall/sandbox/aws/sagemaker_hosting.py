"""SageMaker's models, endpoint configurations and endpoints.

They are described as they were asked for, with the defaults that the ACK controller waits for; endpoints are
Creating, Updating and Deleting for some seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.sagemaker.models import FakeEndpoint

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.sagemaker_jobs import with_defaults

_CHANGE = timedelta(seconds=3)
_NO_ISOLATION = {"EnableNetworkIsolation": False}


@dataclass
class Made:
    """A model or an endpoint configuration as it was asked for."""

    asked: Mapping[str, Any]
    arn: str
    created: datetime


@dataclass
class Endpoint:
    """An endpoint; `change` is Creating, Updating or Deleting until the time `until`."""

    name: str
    arn: str
    config: str
    created: datetime
    modified: datetime
    change: str
    until: datetime
    next_config: str = ""


class SageMakerHosting:
    """Models, endpoint configurations and endpoints; a change of an endpoint takes `change` of time."""

    def __init__(self, account: Account, change: timedelta = _CHANGE) -> None:
        self._account = account
        self._change = change
        self._models: dict[tuple[str, str], Made] = {}
        self._configs: dict[tuple[str, str], Made] = {}
        self._endpoints: dict[tuple[str, str], Endpoint] = {}

    def variants(self, region: str, endpoint: str) -> list[str]:
        """Name the production variants of an endpoint; none when there is no such endpoint."""
        self._settle(region)
        found = self._account.sagemaker(region).endpoints.get(endpoint)
        return [variant["VariantName"] for variant in found.production_variants] if found else []

    def create_model(self, call: Call) -> Mapping[str, Any]:
        """Make a model."""
        key = (call.scope.region, call.parameters["ModelName"])
        if made := self._models.get(key):
            raise _exists("model", made.arn)
        result = call.moto()
        self._models[key] = Made(call.parameters, result["ModelArn"], datetime.now(UTC))
        return result

    def describe_model(self, call: Call) -> Mapping[str, Any]:
        """Describe a model."""
        made = self._models.get((call.scope.region, call.parameters["ModelName"]))
        if made is None:
            raise self._missing(call, "model", call.parameters["ModelName"])
        return _shown(made, _NO_ISOLATION) | {"ModelArn": made.arn}

    def delete_model(self, call: Call) -> Mapping[str, Any]:
        """Delete a model."""
        if self._models.pop((call.scope.region, call.parameters["ModelName"]), None) is None:
            raise self._missing(call, "model", call.parameters["ModelName"])
        return call.moto()

    def create_endpoint_config(self, call: Call) -> Mapping[str, Any]:
        """Make an endpoint configuration of models that exist."""
        key = (call.scope.region, call.parameters["EndpointConfigName"])
        if made := self._configs.get(key):
            raise _exists("endpoint configuration", made.arn)
        for variant in call.parameters["ProductionVariants"]:
            if "ModelName" in variant and (call.scope.region, variant["ModelName"]) not in self._models:
                raise self._missing(call, "model", variant["ModelName"])
        result = call.moto()
        self._configs[key] = Made(call.parameters, result["EndpointConfigArn"], datetime.now(UTC))
        return result

    def describe_endpoint_config(self, call: Call) -> Mapping[str, Any]:
        """Describe an endpoint configuration."""
        made = self._config(call, call.parameters["EndpointConfigName"])
        return _shown(made, _NO_ISOLATION) | {"EndpointConfigArn": made.arn}

    def delete_endpoint_config(self, call: Call) -> Mapping[str, Any]:
        """Delete an endpoint configuration."""
        self._config(call, call.parameters["EndpointConfigName"])
        del self._configs[call.scope.region, call.parameters["EndpointConfigName"]]
        return call.moto()

    def create_endpoint(self, call: Call) -> Mapping[str, Any]:
        """Make an endpoint, which is Creating for some seconds."""
        self._settle(call.scope.region)
        key = (call.scope.region, call.parameters["EndpointName"])
        if endpoint := self._endpoints.get(key):
            raise _exists("endpoint", endpoint.arn)
        config = call.parameters["EndpointConfigName"]
        self._config(call, config)
        result = call.moto()
        now = datetime.now(UTC)
        self._endpoints[key] = Endpoint(
            name=key[1],
            arn=result["EndpointArn"],
            config=config,
            created=now,
            modified=now,
            change="Creating",
            until=now + self._change,
        )
        return result

    def describe_endpoint(self, call: Call) -> Mapping[str, Any]:
        """Describe an endpoint with the status that it has by now."""
        endpoint = self._endpoint(call)
        moto = self._account.sagemaker(call.scope.region).endpoints[endpoint.name]
        shown = {
            "EndpointName": endpoint.name,
            "EndpointArn": endpoint.arn,
            "EndpointConfigName": endpoint.config,
            "EndpointStatus": endpoint.change or "InService",
            "CreationTime": endpoint.created,
            "LastModifiedTime": endpoint.modified,
        }
        if endpoint.change != "Creating":
            shown["ProductionVariants"] = moto.production_variants
        return shown

    def list_endpoints(self, call: Call) -> Mapping[str, Any]:
        """List endpoints with the status that they have by now."""
        self._settle(call.scope.region)
        return call.moto()

    def update_endpoint(self, call: Call) -> Mapping[str, Any]:
        """Move an endpoint to another configuration; it is Updating for some seconds."""
        endpoint = self._idle(call)
        endpoint.next_config = call.parameters["EndpointConfigName"]
        self._config(call, endpoint.next_config)
        self._begin(endpoint, "Updating")
        return {"EndpointArn": endpoint.arn}

    def delete_endpoint(self, call: Call) -> Mapping[str, Any]:
        """Delete an endpoint, which is Deleting for some seconds."""
        endpoint = self._idle(call)
        self._deregister(call.scope.region, endpoint.name)
        self._begin(endpoint, "Deleting")
        return {}

    def _deregister(self, region: str, endpoint: str) -> None:
        """Deregister the scalable targets of an endpoint, as SageMaker does when it is deleted."""
        scaling = self._account.autoscaling_in_use().get(region)
        if scaling is None:
            return
        for target in scaling.describe_scalable_targets("sagemaker", None, None):
            if target.resource_id.startswith(f"endpoint/{endpoint}/"):
                scaling.deregister_scalable_target("sagemaker", target.resource_id, target.scalable_dimension)

    def _begin(self, endpoint: Endpoint, change: str) -> None:
        endpoint.change, endpoint.modified = change, datetime.now(UTC)
        endpoint.until = endpoint.modified + self._change

    def _idle(self, call: Call) -> Endpoint:
        endpoint = self._endpoint(call)
        if endpoint.change:
            raise AwsError("ValidationException", f'Cannot update in-progress endpoint "{endpoint.arn}".')
        return endpoint

    def _endpoint(self, call: Call) -> Endpoint:
        self._settle(call.scope.region)
        endpoint = self._endpoints.get((call.scope.region, call.parameters["EndpointName"]))
        if endpoint is None:
            raise self._missing(call, "endpoint", call.parameters["EndpointName"])
        return endpoint

    def _config(self, call: Call, name: str) -> Made:
        made = self._configs.get((call.scope.region, name))
        if made is None:
            raise self._missing(call, "endpoint configuration", name)
        return made

    def _settle(self, region: str) -> None:
        """Finish the changes whose time is over, here and in moto's store."""
        now, moto = datetime.now(UTC), self._account.sagemaker(region).endpoints
        for key, endpoint in list(self._endpoints.items()):
            if key[0] != region:
                continue
            if endpoint.change and endpoint.until <= now:
                if endpoint.change == "Deleting":
                    del self._endpoints[key], moto[endpoint.name]
                    continue
                if endpoint.change == "Updating":
                    endpoint.config = endpoint.next_config
                    _reconfigure(moto[endpoint.name], self._configs.get((region, endpoint.config)))
                endpoint.change, endpoint.modified = "", endpoint.until
            moto[endpoint.name].endpoint_status = endpoint.change or "InService"

    def _missing(self, call: Call, noun: str, name: str) -> AwsError:
        resource = noun.replace(" configuration", "-config")
        prefix = f"arn:{self._account.partition}:sagemaker:{call.scope.region}:{self._account.id}"
        arn = f"{prefix}:{resource}/{name}"
        return AwsError("ValidationException", f'Could not find {noun} "{arn}".')


def _reconfigure(endpoint: FakeEndpoint, config: Made | None) -> None:
    if config is not None:
        variants = config.asked["ProductionVariants"]
        endpoint.endpoint_config_name = config.asked["EndpointConfigName"]
        endpoint.production_variants = endpoint._process_production_variants(variants)  # noqa: SLF001


def _shown(made: Made, defaults: Mapping[str, Any]) -> dict[str, Any]:
    shown = with_defaults(made.asked, defaults)
    shown.pop("Tags", None)
    return shown | {"CreationTime": made.created}


def _exists(noun: str, arn: str) -> AwsError:
    return AwsError("ValidationException", f'Cannot create already existing {noun} "{arn}".')
