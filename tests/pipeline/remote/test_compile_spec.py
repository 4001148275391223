"""Runs compiled for Vertex AI and Kubeflow."""

import json
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from remote_section import REMOTE
from tfx.utils import import_utils
from tiny_shop import CONFIG, Command, Shop, make_shop

from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.remote import compile_spec
from clickwright.pipeline.remote.artifact_types import ARTIFACT_TYPES
from clickwright.pipeline.remote.compiled import Compiled, digest
from clickwright.pipeline.remote.target import Target
from clickwright.schemas.errors import ConfigError

ROOT = pathlib.Path(__file__).resolve().parents[3]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
PUBLISH = {"directory": "gs://bucket/serving"}
OURS = {cls.TYPE_NAME for cls in ARTIFACT_TYPES}


def configured(shop: Shop, **changes: Any) -> pathlib.Path:
    """The tiny shop's configuration; changes go into the section `remote`."""
    remote = {k: v for k, v in {**REMOTE, **changes}.items() if v is not None}
    shop.write_config({**CONFIG, "publish": PUBLISH, "remote": remote})
    return shop.config


def compiled(path: pathlib.Path, target: Target) -> dict[str, Any]:
    config = LoadedConfig(path)
    assert config.run.remote is not None
    return compile_spec.compile_job(config, config.run.remote, target)


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    return make_shop(tmp_path)


def tasks_of(job: Mapping[str, Any]) -> dict[str, Any]:
    return dict(job["pipelineSpec"]["root"]["dag"]["tasks"])


def executor_of(job: Mapping[str, Any], task: str) -> dict[str, Any]:
    spec = job["pipelineSpec"]
    component = spec["components"][tasks_of(job)[task]["componentRef"]["name"]]
    return dict(spec["deploymentSpec"]["executors"][component["executorLabel"]])


def check(job: dict[str, Any]) -> None:
    """Holds a job against the schema of KFP, and what its messages do not say."""
    json_format.ParseDict(job, pipeline_spec_pb2.PipelineJob())
    spec = json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    deployment = json_format.ParseDict(
        job["pipelineSpec"]["deploymentSpec"],
        pipeline_spec_pb2.PipelineDeploymentConfig(),
    )
    assert spec.schema_version == "2.1.0"
    parameters = set(spec.root.input_definitions.parameters)
    tasks = spec.root.dag.tasks
    for name, task in tasks.items():
        component = spec.components[task.component_ref.name]
        executor = deployment.executors[component.executor_label]
        assert executor.WhichOneof("spec") in ("container", "custom_job"), name
        assert set(task.dependent_tasks) <= set(tasks), name
        assert set(task.inputs.artifacts) == set(component.input_definitions.artifacts)
        assert set(task.inputs.parameters) == set(
            component.input_definitions.parameters
        )
        for key, given in task.inputs.artifacts.items():
            produced = given.task_output_artifact
            assert produced.producer_task in task.dependent_tasks, (name, key)
            producer = spec.components[tasks[produced.producer_task].component_ref.name]
            outputs = producer.output_definitions.artifacts
            assert produced.output_artifact_key in outputs, (name, key)
            title = yaml.safe_load(
                outputs[produced.output_artifact_key].artifact_type.instance_schema
            )["title"]
            assert title in OURS or title.startswith("tfx."), (name, key)
        for value in task.inputs.parameters.values():
            if value.HasField("component_input_parameter"):
                assert value.component_input_parameter in parameters
        if executor.HasField("container"):
            container = executor.container
            assert list(container.command) == list(compile_spec.COMMAND)
            assert not container.HasField("lifecycle"), name
            flags = dict(zip(container.args[::2], container.args[1::2], strict=False))
            import_utils.import_class_by_path(flags["--executor_class_path"])
            assert flags["--json_serialized_invocation_args"] == "{{$}}"


@pytest.mark.parametrize("target", ["vertex", "kubeflow"])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_compiles_to_a_valid_spec(
    config: pathlib.Path, target: Target, tmp_path: pathlib.Path
) -> None:
    folder = shutil.copytree(config.parent, tmp_path / "configs")
    content = yaml.safe_load(config.read_text())
    content["publish"] = {**content.get("publish", {}), **PUBLISH}
    content["remote"] = {**REMOTE, "resources": {}}
    path = folder / config.name
    path.write_text(yaml.safe_dump(content))

    job = compiled(path, target)

    check(job)
    assert {"SourceGen", "LedgerReader", "Trainer", "LedgerWriter"} <= set(
        tasks_of(job)
    )
    # Nothing of this machine: a container would look for it in vain.
    assert str(tmp_path) not in json.dumps(job)
    assert str(ROOT) not in json.dumps(job)


def test_a_run_compiles_to_the_same_spec_each_time(shop: Shop) -> None:
    path = configured(shop)

    first, second = compiled(path, "vertex"), compiled(path, "vertex")

    assert digest(first["pipelineSpec"]) == digest(second["pipelineSpec"])


def test_tasks_get_their_resources_retries_and_labels(shop: Shop) -> None:
    job = compiled(configured(shop), "vertex")

    trainer = executor_of(job, "Trainer")["container"]["resources"]
    assert trainer["cpuLimit"] == 7.5
    assert trainer["resourceCpuLimit"] == "7.5"
    assert trainer["memoryLimit"] == pytest.approx(32 * 2**30 / 1e9)
    assert trainer["resourceMemoryLimit"] == "32Gi"
    assert trainer["accelerator"]["type"] == "NVIDIA_TESLA_T4"
    assert trainer["accelerator"]["count"] == "2"
    other = executor_of(job, "StatisticsGen")["container"]["resources"]
    assert (other["resourceCpuLimit"], "accelerator" in other) == ("2", False)
    assert {
        (task["retryPolicy"]["maxRetryCount"], task["retryPolicy"]["backoffDuration"])
        for task in tasks_of(job).values()
    } == {(2, "30s")}
    assert job["labels"]["team"] == "ads"
    assert job["pipelineSpec"]["defaultPipelineRoot"] == "gs://bucket/pipelines"


def test_kubernetes_is_asked_for_a_gpu_by_its_resource(shop: Shop) -> None:
    nvidia = compiled(configured(shop), "kubeflow")
    given = {"Trainer": {"gpu": "amd.com/gpu"}}
    amd = compiled(configured(shop, resources=given), "kubeflow")

    kinds = [
        executor_of(job, "Trainer")["container"]["resources"]["accelerator"]["type"]
        for job in (nvidia, amd)
    ]
    assert kinds == ["nvidia.com/gpu", "amd.com/gpu"]


def test_a_component_may_have_an_image_of_its_own(shop: Shop) -> None:
    resources = {"Trainer": {"image": "registry.example/clickwright:gpu"}}

    job = compiled(configured(shop, resources=resources), "vertex")

    images = {
        name: executor_of(job, name)["container"]["image"] for name in tasks_of(job)
    }
    assert images.pop("Trainer") == "registry.example/clickwright:gpu"
    assert set(images.values()) == {REMOTE["image"]}


def test_encoders_may_be_searched_for_in_containers(shop: Shop) -> None:
    spec = yaml.safe_load((shop.folder / "features.yaml").read_text())
    spec["features"]["price"]["encoder"] = "auto"
    shop.write_spec(spec)
    content = yaml.safe_load(configured(shop).read_text())
    content["model"] = {"name": "deepfm"}
    shop.write_config(content)

    job = compiled(shop.config, "vertex")

    check(job)
    assert "EncoderSearch" in tasks_of(job)["Trainer"]["dependentTasks"]


@pytest.mark.parametrize("target", ["vertex", "kubeflow"])
def test_parameters_may_be_searched_for_in_containers(
    target: Target, shop: Shop
) -> None:
    content = yaml.safe_load(configured(shop).read_text())
    shop.write_config({**content, "tuner": {"trials": 3, "parallel": 2}})

    job = compiled(shop.config, target)

    check(job)
    assert "Tuner" in tasks_of(job)["Trainer"]["dependentTasks"]
    assert "SpecTransform" in tasks_of(job)["Tuner"]["dependentTasks"]
    command = executor_of(job, "Tuner")["container"]
    assert "clickwright.components.tuner.executor.Executor" in str(command)


def test_a_run_by_spans_trains_on_from_the_ledger_s_model(shop: Shop) -> None:
    content = yaml.safe_load(configured(shop, data=None).read_text())
    content["data"] = {"dataset": "marketplace", "options": {"by_day": True}}
    content["incremental"] = {"window": 3}
    shop.write_config(content)

    job = compiled(shop.config, "vertex")

    check(job)
    for task in ("SpecTransform", "Trainer"):
        given = tasks_of(job)[task]["inputs"]["artifacts"]["base_model"]
        assert given["taskOutputArtifact"]["producerTask"] == "LedgerReader"
    # Which spans are new hangs on the ledger.
    assert "SourceGen" in uncached(job)


def uncached(job: Mapping[str, Any]) -> set[str]:
    return {
        name
        for name, task in tasks_of(job).items()
        if not task["cachingOptions"].get("enableCache")
    }


def test_tasks_that_read_or_change_the_world_are_never_cached(shop: Shop) -> None:
    outward = {"LedgerReader", "LedgerWriter", "Publisher"}
    path = configured(shop)
    assert uncached(compiled(path, "vertex")) == outward | {"SourceGen"}

    content = yaml.safe_load(path.read_text())
    content["data"] = {"dataset": "marketplace"}
    path.write_text(yaml.safe_dump(content))
    simulated = compiled(path, "vertex")
    assert uncached(simulated) == outward

    off = compiled(configured(shop, cache=False, retries=0), "vertex")
    assert uncached(off) == set(tasks_of(off))
    assert all("retryPolicy" not in task for task in tasks_of(off).values())


def test_the_trainer_may_be_a_custom_job_on_vertex(shop: Shop) -> None:
    plain = compiled(configured(shop), "vertex")
    vertex = {**REMOTE["vertex"], "custom_job": {"machine_type": "a2-highgpu-1g"}}
    path = configured(shop, vertex=vertex)
    job = compiled(path, "vertex")

    check(job)
    container = executor_of(plain, "Trainer")["container"]
    custom = executor_of(job, "Trainer")["customJob"]["customJob"]
    (pool,) = custom["jobSpec"]["workerPoolSpecs"]
    assert pool["containerSpec"] == {
        "imageUri": container["image"],
        "command": container["command"],
        "args": container["args"],
    }
    assert pool["machineSpec"] == {
        "machineType": "a2-highgpu-1g",
        "acceleratorType": "NVIDIA_TESLA_T4",
        "acceleratorCount": 2,
    }
    assert custom["jobSpec"]["serviceAccount"] == REMOTE["vertex"]["service_account"]
    assert "container" in executor_of(job, "ModelEvaluator")
    assert "container" in executor_of(compiled(path, "kubeflow"), "Trainer")


def test_the_command_writes_the_spec_and_how_to_submit_it(
    shop: Shop, command: Command
) -> None:
    path = configured(shop)
    as_json, as_yaml = shop.folder / "vertex.json", shop.folder / "kubeflow.yaml"

    code, shown, _ = command(
        *("compile", "--target", "vertex", "-c", path, "-o", as_json)
    )
    assert code == 0
    assert "Trainer" in shown
    assert "parameter data: 'gs://bucket/logs'" in shown
    code, _, _ = command(
        *("compile", "--target", "kubeflow", "-c", path, "-o", as_yaml)
    )
    assert code == 0

    vertex, kubeflow = Compiled.read(as_json), Compiled.read(as_yaml)
    assert vertex.submission is not None
    assert kubeflow.submission is not None
    submission = vertex.submission
    assert (submission.project, submission.region) == ("shop", "europe-west4")
    assert submission.service_account == "runner@shop.iam.gserviceaccount.com"
    assert submission.schedule is not None
    assert submission.schedule.cron == "0 3 * * *"
    assert submission.config_sha256 == LoadedConfig(path).sha256
    assert submission.parameters == vertex.parameters
    assert kubeflow.submission.endpoint == "http://127.0.0.1:1"
    assert kubeflow.submission.namespace == "kubeflow"
    assert kubeflow.submission.service_account == "runner"
    assert kubeflow.submission.project is None
    assert "pipelineSpec" not in yaml.safe_load(as_yaml.read_text())


@pytest.mark.parametrize("target", ["vertex", "kubeflow"])
def test_what_was_compiled_can_be_handed_over(
    shop: Shop, command: Command, target: Target
) -> None:
    file = shop.folder / "shop.json"
    compile_spec.write(configured(shop), target, file)

    code, shown, errors = command("submit", file, "--dry-run")

    assert code == 0, errors
    assert "tiny" in shown


def test_data_without_a_default_have_to_be_given(shop: Shop) -> None:
    file = shop.folder / "shop.json"
    made = compile_spec.write(configured(shop, data=None), "vertex", file)

    with pytest.raises(ConfigError, match="has no value: data"):
        made.values([])
    assert made.values(["data=/logs", "span=3"]) == {"data": "/logs", "span": "3"}


@pytest.mark.parametrize(
    ("changes", "target", "message"),
    [
        ({"kubeflow": None}, "kubeflow", "needs the section `remote.kubeflow`"),
        ({"pipeline_root": "s3://b/c"}, "vertex", "Google Cloud Storage alone"),
        ({"resources": {"Trianer": {}}}, "vertex", "Did you mean `Trainer`?"),
        (
            {"resources": {"Trainer": {"gpu": "nvidia.com/gpu"}}},
            "vertex",
            "Vertex asks for a GPU by its kind",
        ),
        (
            {
                "resources": {"Trainer": {"gpu": "nvidia.com/gpu"}},
                "vertex": {**REMOTE["vertex"], "custom_job": {}},
            },
            "vertex",
            "Vertex asks for a GPU by its kind",
        ),
    ],
)
def test_what_does_not_fit_the_target_is_refused(
    shop: Shop, changes: dict[str, Any], target: Target, message: str
) -> None:
    path = configured(shop, **changes)

    with pytest.raises(ConfigError) as caught:
        compile_spec.write(path, target, shop.folder / "shop.json")

    assert message in caught.value.what
    assert not (shop.folder / "shop.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"remote": None}, "no section `remote`"),
        ({"publish": {}}, "must be published to an s3:// or gs:// address"),
        ({"publish": {"directory": "serving"}}, "Received: serving"),
        (
            {"evaluation": {"off_policy": {"log": "choices.parquet", "min": 0.1}}},
            "names a log of this machine",
        ),
    ],
)
def test_what_containers_cannot_reach_is_refused(
    shop: Shop, changes: dict[str, Any], message: str
) -> None:
    configured(shop)
    content = {**yaml.safe_load(shop.config.read_text()), **changes}
    shop.write_config({key: value for key, value in content.items() if value})

    with pytest.raises(ConfigError) as caught:
        compile_spec.write(shop.config, "vertex", shop.folder / "shop.json")

    assert message in caught.value.what


def test_a_file_of_another_kind_is_not_written(shop: Shop) -> None:
    with pytest.raises(ConfigError, match=r"must end with \.json, \.yaml, \.yml"):
        compile_spec.write(configured(shop), "vertex", shop.folder / "shop.txt")
