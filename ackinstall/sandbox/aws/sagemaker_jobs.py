"""SageMaker's jobs: described as they were asked for, and passing through the statuses of real ones.

What each Describe adds to the request, and how a missing job is worded, is what the ACK controller waits for
and compares with (`generator.yaml` of sagemaker-controller: `late_initialize`, `message_prefix`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.lifecycle import STOPPED, STOPPING, Passed, Phase, history


def _validation(message: str) -> Callable[[str], AwsError]:
    return lambda name: AwsError("ValidationException", message.format(name=name))


@dataclass(frozen=True)
class Kind:
    """A type of job.

    `noun` is its name in the API, `store` moto's attribute with all such jobs and `status` the attribute of
    one job's status there, `missing` the error for a job that does not exist, `defaults` what Describe shows
    of parameters that were not given; inside a structure, only when the structure was given.
    """

    noun: str
    store: str
    status: str
    missing: Callable[[str], AwsError]
    phases: Sequence[Phase]
    defaults: Mapping[str, Any] = field(default_factory=dict)


_WORK = (Phase("InProgress", 4), Phase("Completed", 0))
TRAINING = Kind(
    noun="TrainingJob",
    store="training_jobs",
    status="training_job_status",
    missing=_validation("Requested resource not found."),
    phases=(
        Phase("Starting", 1, "Preparing the instances for training"),
        Phase("Downloading", 1, "Downloading the training image"),
        Phase("Training", 2, "Training image download completed. Training in progress."),
        Phase("Uploading", 1, "Uploading generated training model"),
        Phase("Completed", 0, "Training job completed"),
    ),
    defaults={
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        "AlgorithmSpecification": {"EnableSageMakerMetricsTimeSeries": False},
        "OutputDataConfig": {"CompressionType": "GZIP", "KmsKeyId": ""},
    },
)
TRANSFORM = Kind(
    noun="TransformJob",
    store="transform_jobs",
    status="transform_job_status",
    missing=_validation("Could not find requested job with name: {name}"),
    phases=_WORK,
    defaults={"TransformInput": {"CompressionType": "None", "SplitType": "None"}},
)
PROCESSING = Kind(
    noun="ProcessingJob",
    store="processing_jobs",
    status="processing_job_status",
    missing=_validation("Could not find requested job with name: {name}"),
    phases=_WORK,
)
TUNING = Kind(
    noun="HyperParameterTuningJob",
    store="hyper_parameter_tuning_jobs",
    status="hyper_parameter_tuning_job_status",
    missing=lambda name: AwsError(
        "ResourceNotFound", f"Amazon SageMaker can't find a tuning job with the name {name}."
    ),
    phases=_WORK,
    defaults={
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {"MetricDefinitions": []},
            "EnableNetworkIsolation": False,
            "EnableInterContainerTrafficEncryption": False,
            "EnableManagedSpotTraining": False,
            "ResourceConfig": {"InstanceCount": 1},
        }
    },
)
_NO_TRAINING_JOBS = {
    "Completed": 0,
    "InProgress": 0,
    "RetryableError": 0,
    "NonRetryableError": 0,
    "Stopped": 0,
}
_NO_OBJECTIVES = {"Succeeded": 0, "Pending": 0, "Failed": 0}


@dataclass
class Job:
    """A job as it was asked for; `stopped` is when somebody asked it to stop."""

    asked: Mapping[str, Any]
    arn: str
    created: datetime
    stopped: datetime | None = None


class SageMakerJobs:
    """Training, transform, processing and tuning jobs."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._jobs: dict[tuple[str, str], dict[str, Job]] = {}

    def create_training_job(self, call: Call) -> Mapping[str, Any]:
        """Start a training job."""
        return self._create(call, TRAINING)

    def describe_training_job(self, call: Call) -> Mapping[str, Any]:
        """Describe a training job, with its transitions so far, and its model when it has one."""
        job, passed = self._look(call, TRAINING)
        shown = _described(TRAINING, job, passed) | {
            "SecondaryStatus": passed[-1].phase.status,
            "SecondaryStatusTransitions": [_transition(step) for step in passed],
        }
        started = next((step.start for step in passed if step.phase.status == "Downloading"), None)
        if started is not None:
            shown["TrainingStartTime"] = started
        ended = passed[-1].end
        if ended is not None:
            shown["TrainingEndTime"] = ended
            seconds = int((ended - (started or ended)).total_seconds())
            shown |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        if passed[-1].phase.status == "Completed":
            bucket = job.asked["OutputDataConfig"]["S3OutputPath"].rstrip("/")
            model = f"{bucket}/{job.asked['TrainingJobName']}/output/model.tar.gz"
            shown["ModelArtifacts"] = {"S3ModelArtifacts": model}
        return shown

    def list_training_jobs(self, call: Call) -> Mapping[str, Any]:
        """List training jobs with their present status."""
        return self._list(call, TRAINING)

    def stop_training_job(self, call: Call) -> Mapping[str, Any]:
        """Ask a training job to stop."""
        return self._stop(call, TRAINING)

    def create_transform_job(self, call: Call) -> Mapping[str, Any]:
        """Start a transform job."""
        return self._create(call, TRANSFORM)

    def describe_transform_job(self, call: Call) -> Mapping[str, Any]:
        """Describe a transform job."""
        job, passed = self._look(call, TRANSFORM)
        return _described(TRANSFORM, job, passed) | _times("Transform", passed)

    def list_transform_jobs(self, call: Call) -> Mapping[str, Any]:
        """List transform jobs with their present status."""
        return self._list(call, TRANSFORM)

    def stop_transform_job(self, call: Call) -> Mapping[str, Any]:
        """Ask a transform job to stop."""
        return self._stop(call, TRANSFORM)

    def create_processing_job(self, call: Call) -> Mapping[str, Any]:
        """Start a processing job."""
        return self._create(call, PROCESSING)

    def describe_processing_job(self, call: Call) -> Mapping[str, Any]:
        """Describe a processing job."""
        job, passed = self._look(call, PROCESSING)
        return _described(PROCESSING, job, passed) | _times("Processing", passed)

    def list_processing_jobs(self, call: Call) -> Mapping[str, Any]:
        """List processing jobs with their present status."""
        return self._list(call, PROCESSING)

    def stop_processing_job(self, call: Call) -> Mapping[str, Any]:
        """Ask a processing job to stop."""
        return self._stop(call, PROCESSING)

    def create_hyper_parameter_tuning_job(self, call: Call) -> Mapping[str, Any]:
        """Start a tuning job."""
        return self._create(call, TUNING)

    def describe_hyper_parameter_tuning_job(self, call: Call) -> Mapping[str, Any]:
        """Describe a tuning job; it has started no training jobs of its own."""
        job, passed = self._look(call, TUNING)
        ended = {"HyperParameterTuningEndTime": passed[-1].end} if passed[-1].end else {}
        counters = {
            "TrainingJobStatusCounters": _NO_TRAINING_JOBS,
            "ObjectiveStatusCounters": _NO_OBJECTIVES,
        }
        return _described(TUNING, job, passed) | counters | ended

    def list_hyper_parameter_tuning_jobs(self, call: Call) -> Mapping[str, Any]:
        """List tuning jobs with their present status."""
        return self._list(call, TUNING)

    def stop_hyper_parameter_tuning_job(self, call: Call) -> Mapping[str, Any]:
        """Ask a tuning job to stop."""
        return self._stop(call, TUNING)

    def _create(self, call: Call, kind: Kind) -> Mapping[str, Any]:
        jobs = self._all(call, kind)
        name = call.parameters[f"{kind.noun}Name"]
        if name in jobs:
            message = (
                f"Job name must be unique within an AWS account and region, and {jobs[name].arn} exists."
            )
            raise AwsError("ResourceInUse", message)
        result = call.moto()
        jobs[name] = Job(call.parameters, result[f"{kind.noun}Arn"], datetime.now(UTC))
        return result

    def _stop(self, call: Call, kind: Kind) -> Mapping[str, Any]:
        job, passed = self._look(call, kind)
        if passed[-1].end is not None:
            status = passed[-1].phase.status
            message = f"The request was rejected because the job is in status {status}."
            raise AwsError("ValidationException", message)
        job.stopped = job.stopped or datetime.now(UTC)
        return {}

    def _list(self, call: Call, kind: Kind) -> Mapping[str, Any]:
        backend = self._account.sagemaker(call.scope.region)
        for name, job in self._all(call, kind).items():
            setattr(getattr(backend, kind.store)[name], kind.status, _status(_passed(kind, job)))
        return call.moto()

    def _look(self, call: Call, kind: Kind) -> tuple[Job, list[Passed]]:
        name = call.parameters[f"{kind.noun}Name"]
        job = self._all(call, kind).get(name)
        if job is None:
            raise kind.missing(name)
        return job, _passed(kind, job)

    def _all(self, call: Call, kind: Kind) -> dict[str, Job]:
        return self._jobs.setdefault((call.scope.region, kind.noun), {})


def with_defaults(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Add defaults for what was not given; a structure that was not given stays out."""
    result = dict(given)
    for key, default in defaults.items():
        if not isinstance(default, Mapping):
            result.setdefault(key, default)
        elif key in result:
            result[key] = with_defaults(result[key], default)
    return result


def _passed(kind: Kind, job: Job) -> list[Passed]:
    return history(kind.phases, job.created, job.stopped, datetime.now(UTC))


def _status(passed: Sequence[Passed]) -> str:
    status = passed[-1].phase.status
    return status if status in {"Completed", STOPPING.status, STOPPED.status} else "InProgress"


def _described(kind: Kind, job: Job, passed: Sequence[Passed]) -> dict[str, Any]:
    shown = {key: value for key, value in with_defaults(job.asked, kind.defaults).items() if key != "Tags"}
    return {
        **shown,
        f"{kind.noun}Arn": job.arn,
        f"{kind.noun}Status": _status(passed),
        "CreationTime": job.created,
        "LastModifiedTime": passed[-1].start,
    }


def _transition(step: Passed) -> dict[str, Any]:
    ended = {"EndTime": step.end} if step.end else {}
    return {"Status": step.phase.status, "StartTime": step.start, "StatusMessage": step.phase.message} | ended


def _times(prefix: str, passed: Sequence[Passed]) -> dict[str, Any]:
    ended = {f"{prefix}EndTime": passed[-1].end} if passed[-1].end else {}
    return {f"{prefix}StartTime": passed[0].start} | ended
