"""SageMaker as the ACK controller needs it."""

import time
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError
from running_aws import ACCOUNT, REGION, Client, RunningAws

ROLE = f"arn:aws:iam::{ACCOUNT}:role/execution"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.2-1"
TRAINING_JOB = {
    "TrainingJobName": "job",
    "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m4.xlarge", "VolumeSizeInGB": 5},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "Tags": [{"Key": "a", "Value": "b"}],
}


@pytest.fixture
def sagemaker(aws: RunningAws) -> Client:
    return aws.client("sagemaker")


def statuses(look: Callable[[], str], last: str) -> list[str]:
    """Look until the last status is there; each status once, in order."""
    seen = [look()]
    deadline = time.monotonic() + 20
    while seen[-1] != last and time.monotonic() < deadline:
        time.sleep(0.1)
        seen += [status for status in [look()] if status != seen[-1]]
    return seen


def make_endpoint(sagemaker: Client) -> None:
    sagemaker.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    for config in ("config", "other"):
        variant = {"ModelName": "model", "VariantName": "all", "InstanceType": "ml.c5.large"}
        sagemaker.create_endpoint_config(
            EndpointConfigName=config, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
        )
    sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")


def endpoint_status(sagemaker: Client) -> str:
    try:
        return str(sagemaker.describe_endpoint(EndpointName="endpoint")["EndpointStatus"])
    except ClientError as error:
        return error.response["Error"]["Message"]


def test_a_training_job_passes_the_statuses_of_a_real_one(sagemaker: Client) -> None:
    arn = sagemaker.create_training_job(**TRAINING_JOB)["TrainingJobArn"]
    first = sagemaker.describe_training_job(TrainingJobName="job")
    assert first["TrainingJobStatus"] == "InProgress"
    assert "ModelArtifacts" not in first or not first["ModelArtifacts"]
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"][0]["TrainingJobStatus"] == "InProgress"
    seen = statuses(
        lambda: sagemaker.describe_training_job(TrainingJobName="job")["SecondaryStatus"], "Completed"
    )
    assert seen == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    last = sagemaker.describe_training_job(TrainingJobName="job")
    assert last["TrainingJobStatus"] == "Completed"
    assert last["ModelArtifacts"] == {"S3ModelArtifacts": "s3://bucket/out/job/output/model.tar.gz"}
    assert [step["Status"] for step in last["SecondaryStatusTransitions"]] == seen
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"][0]["TrainingJobStatus"] == "Completed"
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ClientError, match="in status Completed"):
        sagemaker.stop_training_job(TrainingJobName="job")


def test_a_training_job_is_described_as_it_was_asked_for_with_defaults(sagemaker: Client) -> None:
    sagemaker.create_training_job(**TRAINING_JOB)
    shown = sagemaker.describe_training_job(TrainingJobName="job")
    for key in (
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
    ):
        assert shown[key] is False
    assert shown["AlgorithmSpecification"] == {
        **TRAINING_JOB["AlgorithmSpecification"],  # type: ignore[dict-item]
        "EnableSageMakerMetricsTimeSeries": False,
    }
    assert shown["OutputDataConfig"] == {
        "S3OutputPath": "s3://bucket/out",
        "KmsKeyId": "",
        "CompressionType": "GZIP",
    }
    assert not {"VpcConfig", "Tags", "InputDataConfig", "HyperParameters"} & shown.keys()


def test_a_training_job_can_be_stopped(sagemaker: Client) -> None:
    sagemaker.create_training_job(**TRAINING_JOB)
    sagemaker.stop_training_job(TrainingJobName="job")
    seen = statuses(
        lambda: sagemaker.describe_training_job(TrainingJobName="job")["TrainingJobStatus"], "Stopped"
    )
    assert seen == ["Stopping", "Stopped"]


def test_a_name_is_taken_once(sagemaker: Client) -> None:
    sagemaker.create_training_job(**TRAINING_JOB)
    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.create_training_job(**TRAINING_JOB)


@pytest.mark.parametrize(
    ("operation", "parameter", "code", "message"),
    [
        ("describe_training_job", "TrainingJobName", "ValidationException", "Requested resource not found."),
        ("stop_training_job", "TrainingJobName", "ValidationException", "Requested resource not found."),
        ("describe_model", "ModelName", "ValidationException", f'Could not find model "{ARN}:model/x".'),
        ("delete_model", "ModelName", "ValidationException", f'Could not find model "{ARN}:model/x".'),
        (
            "describe_endpoint_config",
            "EndpointConfigName",
            "ValidationException",
            f'Could not find endpoint configuration "{ARN}:endpoint-config/x".',
        ),
        (
            "describe_endpoint",
            "EndpointName",
            "ValidationException",
            f'Could not find endpoint "{ARN}:endpoint/x".',
        ),
        (
            "describe_transform_job",
            "TransformJobName",
            "ValidationException",
            "Could not find requested job with name: x",
        ),
        (
            "describe_processing_job",
            "ProcessingJobName",
            "ValidationException",
            "Could not find requested job with name: x",
        ),
        (
            "describe_hyper_parameter_tuning_job",
            "HyperParameterTuningJobName",
            "ResourceNotFound",
            "Amazon SageMaker can't find a tuning job with the name x.",
        ),
    ],
)
def test_what_is_missing_is_worded_as_in_aws(
    sagemaker: Client, operation: str, parameter: str, code: str, message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(sagemaker, operation)(**{parameter: "x"})
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == (code, message)


def test_an_endpoint_is_created_updated_and_deleted(sagemaker: Client) -> None:
    make_endpoint(sagemaker)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName="other")
    assert statuses(lambda: endpoint_status(sagemaker), "InService") == ["Creating", "InService"]
    shown = sagemaker.describe_endpoint(EndpointName="endpoint")
    assert shown["ProductionVariants"][0]["VariantName"] == "all"
    assert "DataCaptureConfig" not in shown
    sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName="other")
    assert statuses(lambda: endpoint_status(sagemaker), "InService") == ["Updating", "InService"]
    assert sagemaker.describe_endpoint(EndpointName="endpoint")["EndpointConfigName"] == "other"
    sagemaker.delete_endpoint(EndpointName="endpoint")
    gone = f'Could not find endpoint "{ARN}:endpoint/endpoint".'
    assert statuses(lambda: endpoint_status(sagemaker), gone) == ["Deleting", gone]
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_models_and_configurations_are_described_as_asked(sagemaker: Client) -> None:
    make_endpoint(sagemaker)
    model = sagemaker.describe_model(ModelName="model")
    assert model["EnableNetworkIsolation"] is False
    assert not {"VpcConfig", "Containers"} & model.keys()
    config = sagemaker.describe_endpoint_config(EndpointConfigName="config")
    assert config["EnableNetworkIsolation"] is False
    assert "DataCaptureConfig" not in config
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        sagemaker.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="nope")


def test_other_jobs_complete_too(sagemaker: Client) -> None:
    make_endpoint(sagemaker)
    sagemaker.create_transform_job(
        TransformJobName="t",
        ModelName="model",
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/i"}}},
        TransformOutput={"S3OutputPath": "s3://b/o"},
        TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
    )
    sagemaker.create_processing_job(
        ProcessingJobName="p",
        RoleArn=ROLE,
        AppSpecification={"ImageUri": IMAGE},
        ProcessingResources={
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 5}
        },
    )
    training = {key: value for key, value in TRAINING_JOB.items() if key not in {"TrainingJobName", "Tags"}}
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="h",
        HyperParameterTuningJobConfig={
            "Strategy": "Bayesian",
            "ResourceLimits": {"MaxParallelTrainingJobs": 1},
        },
        TrainingJobDefinition={**training, "AlgorithmSpecification": {"TrainingInputMode": "File"}},
    )
    for status in ("InProgress", "Completed"):
        for noun, name in (
            ("transform_job", "t"),
            ("processing_job", "p"),
            ("hyper_parameter_tuning_job", "h"),
        ):
            member = noun.title().replace("_", "")

            def look(noun: str = noun, member: str = member, name: str = name) -> str:
                described = getattr(sagemaker, f"describe_{noun}")(**{f"{member}Name": name})
                return str(described[f"{member}Status"])

            assert statuses(look, status)[-1] == status
            listed = getattr(sagemaker, f"list_{noun}s")()[f"{member}Summaries"]
            assert listed[0][f"{member}Status"] == status
