"""A candidate in a model server: what is wrong with it is found and said."""

import pathlib
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import tensorflow as tf
import tiny_served_model

from clickwright.components.serving_validator import validate as validate_module
from clickwright.components.serving_validator.graph_ops import (
    forbidden_ops,
    read_graph,
)
from clickwright.components.serving_validator.latency import over_budget
from clickwright.components.serving_validator.params import (
    LatencyParams,
    ServingParams,
)
from clickwright.components.serving_validator.result import (
    Latency,
    ValidationResult,
    read_validation,
)
from clickwright.components.serving_validator.validate import validate
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, DataError, MachineError
from clickwright.schemas.prediction_logs import write_logs
from clickwright.schemas.serving_files import GOLDEN_PATH
from clickwright.serving.skew_report import SignatureSkew, SkewReport

if TYPE_CHECKING:
    from tfx import types

SIGNATURES = ("serving_default", "predict_raw")
QUICK = LatencyParams(batch_sizes=(1, 7), requests=10, concurrency=2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A base path with a good model as the version 1; it is only read."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_served_model.write_tiny(folder, versions=(1,))
    return folder


@pytest.fixture
def versions(tiny: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """The same, to be damaged."""
    shutil.copytree(tiny, tmp_path / "candidate")
    return tmp_path / "candidate"


def saved(folder: pathlib.Path, function: Callable[..., Any]) -> pathlib.Path:
    """A SavedModel whose `serving_default` is this function of `x`, float `[N]`."""
    module = tf.Module()
    spec = tf.TensorSpec([None], tf.float32, name="x")
    call = tf.function(lambda x: {"y": function(x)}, input_signature=[spec])
    tf.saved_model.save(
        module,
        str(folder),
        signatures={"serving_default": call.get_concrete_function()},
    )
    return folder


def read_a_file(x: tf.Tensor) -> tf.Tensor:
    return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32)


def write_a_file(x: tf.Tensor) -> tf.Tensor:
    # Nothing that the answer hangs on: it is a control dependency of the function.
    tf.io.write_file("seen.txt", tf.strings.as_string(x[0]))
    return x


def call_python(x: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.float32), [None])


def print_rows(x: tf.Tensor) -> tf.Tensor:
    tf.print(x, output_stream="file://rows.txt")
    return x


def restore(x: tf.Tensor) -> tf.Tensor:
    (value,) = tf.raw_ops.RestoreV2(
        prefix="other", tensor_names=["v"], shape_and_slices=[""], dtypes=[x.dtype]
    )
    return x + value


def read_in_a_branch(x: tf.Tensor) -> tf.Tensor:
    return tf.cond(x[0] > 0, lambda: read_a_file(x), lambda: x)


# The operations of the graph.


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (read_a_file, "the operation `ReadFile` reads or writes files; it is in "),
        (write_a_file, "the operation `WriteFile` reads or writes files; it is in "),
        (print_rows, "the operation `PrintV2` reads or writes files; it is in "),
        (read_in_a_branch, "the operation `ReadFile` reads or writes files; it is in "),
        (
            call_python,
            "Func` needs the Python process that traced it; it is in the fun",
        ),
        (restore, "`RestoreV2` reads or writes files; it is in the signature `serving"),
    ],
)
def test_operations_that_no_server_should_run_are_found(
    function: Callable[..., Any], said: str, tmp_path: pathlib.Path
) -> None:
    (found,) = forbidden_ops(read_graph(saved(tmp_path, function)))

    assert said in found


def test_what_saves_and_restores_variables_is_no_fault_of_a_model(
    tiny: pathlib.Path,
) -> None:
    graph = read_graph(tiny / "1")

    ops = {node.op for f in graph.graph_def.library.function for node in f.node_def}
    assert {"SaveV2", "RestoreV2"} <= ops | {n.op for n in graph.graph_def.node}
    assert forbidden_ops(graph) == ()


def test_a_model_with_such_operations_is_never_loaded(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the model must not be loaded")

    monkeypatch.setattr(validate_module, "ServerProcess", refuse)
    saved(tmp_path / "1", read_a_file)

    result = validate(tmp_path, SIGNATURES, ServingParams())

    assert not result.blessed
    lacks, golden, operation = result.failures
    assert lacks.startswith("the model lacks the signature `predict_raw`, it has ")
    assert GOLDEN_PATH in golden
    assert "`ReadFile`" in operation


@pytest.mark.parametrize("content", [None, b"no graph"])
def test_a_folder_without_a_graph_fails(
    content: bytes | None, tmp_path: pathlib.Path
) -> None:
    if content is not None:
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "saved_model.pb").write_bytes(content)

    result = validate(tmp_path, SIGNATURES, ServingParams())

    assert not result.blessed
    assert "The graph cannot be read" in result.failures[0]


# The model in a server.


def test_a_good_model_passes_and_its_figures_are_kept(tiny: pathlib.Path) -> None:
    latency = QUICK.model_copy(update={"p50_ratio": 1e6})
    params = ServingParams(tolerance=1e-6, latency=latency)

    result = validate(tiny, SIGNATURES, params, blessed=tiny)

    assert result.failures == ()
    assert result.blessed
    assert result.skew is not None
    assert result.skew.ways == ("SavedModel", "gRPC", "REST")
    assert result.skew.signatures == ("serving_default", "predict_raw", "rank")
    measured = {(time.signature, time.batch) for time in result.latencies}
    assert measured == {(s, b) for s in result.skew.signatures for b in (1, 7)}
    for time in result.latencies:
        assert 0 < time.p50_ms <= time.p99_ms
        assert time.qps > 0
        assert time.blessed_p50_ms is not None and time.blessed_p50_ms > 0
        assert time.requests == 10
    assert result.memory_mb is not None and result.memory_mb > 50
    assert result.ready_seconds is not None and result.ready_seconds > 0


def test_all_that_is_wrong_is_said_with_figures(versions: pathlib.Path) -> None:
    # The answers of another model, and nothing kept of `rank`.
    logs = tiny_served_model.golden_logs(2)[:2]
    write_logs(versions / "1" / GOLDEN_PATH, logs)
    latency = QUICK.model_copy(update={"batch_sizes": (1,), "p99_ms": 1e-4})
    params = ServingParams(memory_mb=1.0, latency=latency)

    result = validate(versions, (*SIGNATURES, "embed_user"), params)

    assert not result.blessed
    said = " | ".join(result.failures)
    assert "the model lacks the signature `embed_user`" in said
    assert "`rank`: no kept request asks for it" in said
    for way in ("in the SavedModel", "over gRPC", "over REST"):
        assert f"`predict_raw` {way}: off by 0." in said
    assert "1e-05 is allowed; request 2, probability[" in said
    assert "`predict_raw` at batch 1: the 99th percentile is " in said
    assert " ms, 0.0001 ms are allowed" in said
    assert " MB, 1 MB are allowed" in said


def test_a_model_that_a_server_cannot_load_fails_with_the_servers_words(
    versions: pathlib.Path,
) -> None:
    (data,) = (versions / "1" / "variables").glob("*.data*")
    data.write_bytes(data.read_bytes()[:10])

    result = validate(versions, SIGNATURES, ServingParams(latency=QUICK))

    assert not result.blessed
    assert len(result.failures) == 1
    assert "Read less bytes than requested" in result.failures[0]


# The budget.


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"p99_ms": 8.0, "p50_ratio": 2.0}, []),
        ({"p99_ms": 7.9}, ["the 99th percentile is 8 ms, 7.9 ms are allowed"]),
        (
            {"p50_ratio": 1.9},
            ["the median is 4 ms, 2 times the blessed model's 2 ms; 1.9 times are"],
        ),
        ({"p99_ms": None}, []),
    ],
)
def test_times_are_held_against_the_budget(
    params: dict[str, Any], said: list[str]
) -> None:
    time = Latency("rank", 100, 50, 4.0, 8.0, 200.0, 2.0)

    found = over_budget(time, LatencyParams(**params))

    assert len(found) == len(said)
    for sentence, start in zip(found, said, strict=True):
        assert sentence.startswith(f"`rank` at batch 100: {start}")


def test_without_a_blessed_model_there_is_no_ratio_to_break() -> None:
    time = Latency("rank", 100, 50, 4.0, 8.0, 200.0)

    assert over_budget(time, LatencyParams(p50_ratio=0.1)) == ()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"tolerance": -1}, "`tolerance`: .*greater than or equal to 0"),
        ({"latency": {"batch_sizes": []}}, "`latency.batch_sizes`: .*at least 1"),
        ({"latency": {"p99": 3}}, "unknown key. Did you mean `p99_ms`"),
        ({"validated": False}, "unknown key. Did you mean `validate`"),
    ],
)
def test_the_section_of_a_run_is_checked(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        strict_yaml.parse(ServingParams, section, "serving")


# The component.


def run(
    model: pathlib.Path,
    folder: pathlib.Path,
    blessed: bool = True,
    params: ServingParams | None = None,
) -> "types.Artifact":
    """Runs the executor on artifacts of its own; returns the `InfraBlessing`."""
    from tfx.types import standard_artifacts

    from clickwright.components.serving_validator.executor import Executor

    artifact, judged = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
    artifact.uri, artifact.id = str(model), 7
    judged.set_int_custom_property("blessed", int(blessed))
    blessing = standard_artifacts.InfraBlessing()
    blessing.uri = str(folder)
    params = params or ServingParams()
    Executor().Do(
        {"model": [artifact], "model_blessing": [judged], "baseline_model": [artifact]},
        {"blessing": [blessing]},
        {
            "signatures": list(SIGNATURES),
            "params": params.model_dump_json(by_alias=True),
        },
    )
    return blessing


@pytest.fixture
def model(tmp_path: pathlib.Path) -> pathlib.Path:
    """A `Model` artifact's folder, with one file."""
    graph = tmp_path / "model" / "Format-Serving" / "saved_model.pb"
    graph.parent.mkdir(parents=True)
    graph.write_bytes(b"graph")
    return tmp_path / "model"


@pytest.mark.parametrize("good", [True, False])
def test_the_blessing_is_that_of_tfx(
    good: bool,
    model: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tfx.components.util import model_utils

    from clickwright.components.serving_validator import executor

    calls = []
    skews = (SignatureSkew("rank", "gRPC", 1, 4, float("inf"), "request 1, x[0]"),)
    given = ValidationResult(
        blessed=good,
        failures=() if good else ("it is slow",),
        server="clickwright serve",
        skew=SkewReport(skews),
        latencies=(Latency("rank", 1, 9, 1.0, 2.0, 3.0),),
    )

    def stand_in(*arguments: Any) -> ValidationResult:
        candidate, signatures, params, blessed = arguments
        calls.append((signatures, params, blessed))
        assert (candidate / "1" / "saved_model.pb").read_bytes() == b"graph"
        return given

    monkeypatch.setattr(executor, "validate", stand_in)

    blessing = run(model, tmp_path / "blessing", params=ServingParams(tolerance=0.5))

    assert model_utils.is_infra_validated(blessing) is good
    assert blessing.get_int_custom_property("current_model_id") == 7
    name = "INFRA_BLESSED" if good else "INFRA_NOT_BLESSED"
    names = {path.name for path in (tmp_path / "blessing").iterdir()}
    assert names == {name, "serving_validation.json"}
    assert read_validation(blessing.uri) == given
    ((signatures, params, baseline),) = calls
    assert tuple(signatures) == SIGNATURES
    assert params.tolerance == 0.5
    assert baseline is None  # nobody asks for a ratio


def test_a_ratio_brings_the_blessed_model_along(
    model: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clickwright.components.serving_validator import executor

    def stand_in(*arguments: Any) -> ValidationResult:
        assert (arguments[3] / "1" / "saved_model.pb").read_bytes() == b"graph"
        return ValidationResult(blessed=True)

    monkeypatch.setattr(executor, "validate", stand_in)
    params = ServingParams(latency=LatencyParams(p50_ratio=2.0))

    blessing = run(model, tmp_path / "blessing", params=params)

    assert read_validation(blessing.uri).blessed


def test_a_model_that_the_evaluation_did_not_bless_is_not_tried(
    tmp_path: pathlib.Path,
) -> None:
    blessing = run(tmp_path / "absent", tmp_path / "blessing", blessed=False)

    assert blessing.get_int_custom_property("blessed") == 0
    result = read_validation(blessing.uri)
    assert result.skipped == "the evaluation did not bless the model"
    assert not result.blessed


def test_a_copy_that_the_disk_has_no_space_for_is_an_error_of_the_machine(
    model: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfx.utils import io_utils

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(io_utils, "copy_dir", full)

    with pytest.raises(MachineError, match="No space is left"):
        run(model, tmp_path / "blessing")


def test_a_damaged_result_is_said(tmp_path: pathlib.Path) -> None:
    (tmp_path / "serving_validation.json").write_text("{")

    with pytest.raises(DataError, match="cannot be read"):
        read_validation(str(tmp_path))


def test_the_component_goes_into_a_pipeline_of_kubeflow_and_vertex(
    tmp_path: pathlib.Path,
) -> None:
    from tfx import v1 as tfx
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

    from clickwright.components.serving_validator.component import ServingValidator

    model = tfx.dsl.Importer(
        source_uri="gs://bucket/model", artifact_type=tfx.types.standard_artifacts.Model
    ).with_id("Model")
    validator = ServingValidator(model.outputs["result"], signatures=SIGNATURES)
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(default_image="image"),
        output_dir=str(tmp_path),
        output_filename="pipeline.json",
    )

    compiled = runner.run(
        tfx.dsl.Pipeline(
            pipeline_name="shop",
            pipeline_root="gs://bucket/root",
            components=[model, validator],
        )
    )

    (executor,) = (
        e["container"]
        for name, e in compiled["pipelineSpec"]["deploymentSpec"]["executors"].items()
        if name.startswith("ServingValidator")
    )
    assert executor["image"] == "image"
    assert "clickwright.components.serving_validator.executor.Executor" in " ".join(
        executor["args"]
    )
