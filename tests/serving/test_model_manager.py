"""Which versions are served, and to whom."""

import asyncio
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
import tiny_served_model as tiny
from google.protobuf import text_format
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from clickwright.serving.server.batching_params import BatchingParams
from clickwright.serving.server.model_manager import ModelManager
from clickwright.serving.server.serving_error import ServingError

State = ModelVersionStatus.State


@pytest.fixture
def base(written_models: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A base path with version 1 of `tiny`."""
    folder = tmp_path / "tiny"
    shutil.copytree(written_models / "tiny" / "1", folder / "1")
    return folder


def config_of(base: pathlib.Path, policy: str = "", **labels: int) -> ModelServerConfig:
    config = ModelServerConfig()
    model = config.model_config_list.config.add(
        name="tiny", base_path=str(base), model_platform="tensorflow"
    )
    text_format.Parse(policy, model.model_version_policy)
    model.version_labels.update(labels)
    return config


def spec(version: int | None = None, label: str = "", name: str = "tiny") -> ModelSpec:
    found = ModelSpec(name=name)
    if version is not None:
        found.version.value = version
    if label:
        found.version_label = label
    return found


def states(manager: ModelManager) -> dict[int, str]:
    return {v.version: State.Name(v.state) for v in manager.status(spec())}


async def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        await asyncio.sleep(0.01)


async def answer(manager: ModelManager, **chosen: Any) -> float:
    """The score of one row, by whichever version is chosen."""
    with manager.lease(spec(**chosen)) as servable:
        said = await manager.run(servable, "predict_raw", tiny.rows(1))
        return float(said["probability"][0])


def expected(version: int) -> Any:
    return pytest.approx(float(tiny.answers(tiny.rows(1), version)[0]), abs=1e-6)


def served(work: Callable[[ModelManager], Any], **options: Any) -> Any:
    """Runs `work(manager)`, then closes the manager."""

    async def main() -> Any:
        manager = ModelManager(**{"file_system_poll_wait_seconds": 0.02} | options)
        try:
            return await work(manager)
        finally:
            await manager.close()

    return asyncio.run(main())


def refusal(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(ServingError) as caught:
        call()
    return caught.value.code, caught.value.message


def lease_refusal(manager: ModelManager, **chosen: Any) -> tuple[Any, str]:
    def call() -> None:
        with manager.lease(spec(**chosen)):
            pass

    return refusal(call)


async def reload_refusal(
    manager: ModelManager, config: ModelServerConfig
) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(ServingError) as caught:
        await manager.reload(config)
    return caught.value.code, caught.value.message


def test_a_new_version_takes_over_and_the_old_one_ends(
    base: pathlib.Path, written_models: pathlib.Path
) -> None:
    async def work(manager: ModelManager) -> None:
        await manager.start(config_of(base))
        assert states(manager) == {1: "AVAILABLE"}
        assert await answer(manager) == expected(1)

        shutil.copytree(written_models / "tiny" / "2", base / "staged")
        (base / "staged").rename(base / "2")
        seen = []
        while states(manager) != {2: "AVAILABLE", 1: "END"}:
            # Whatever happens, there is an answer.
            seen.append(await answer(manager))
            await asyncio.sleep(0.005)
        assert await answer(manager) == expected(2)
        old, new = expected(1), expected(2)
        assert all(said in (old, new) for said in seen)
        assert [v.version for v in manager.status(spec())] == [2, 1]

    served(work)


def test_a_leased_version_is_unloaded_only_after_it_is_given_back(
    base: pathlib.Path, written_models: pathlib.Path
) -> None:
    async def work(manager: ModelManager) -> None:
        await manager.start(config_of(base))
        with manager.lease(spec()) as servable:
            shutil.copytree(written_models / "tiny" / "2", base / "2")
            await until(lambda: states(manager).get(1) == "UNLOADING")
            assert lease_refusal(manager, version=1) == (
                grpc.StatusCode.NOT_FOUND,
                "Servable not found for request: Specific(tiny, 1)",
            )
            said = await manager.run(servable, "predict_raw", tiny.rows(1))
            assert float(said["probability"][0]) == expected(1)
            assert states(manager)[1] == "UNLOADING"
        await until(lambda: states(manager)[1] == "END")

    served(work)


def test_what_is_not_there_is_not_found(base: pathlib.Path) -> None:
    async def work(manager: ModelManager) -> None:
        await manager.start(config_of(base, stable=1))
        not_found = grpc.StatusCode.NOT_FOUND
        assert lease_refusal(manager, name="none") == (
            not_found,
            "Servable not found for request: Latest(none)",
        )
        assert lease_refusal(manager, version=9) == (
            not_found,
            "Servable not found for request: Specific(tiny, 9)",
        )
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        assert lease_refusal(manager, label="canary") == (
            invalid,
            "Unrecognized servable version label: canary",
        )
        assert lease_refusal(manager, name="") == (
            invalid,
            "ModelSpec has no name specified.",
        )
        assert refusal(lambda: manager.status(spec(name="none"))) == (
            not_found,
            "Could not find any versions of model none",
        )
        assert refusal(lambda: manager.status(spec(version=9))) == (
            not_found,
            "Could not find version 9 of model tiny",
        )
        assert [v.version for v in manager.status(spec(label="stable"))] == [1]

    served(work)


def test_canary_and_stable_are_served_side_by_side_and_labels_move(
    base: pathlib.Path, written_models: pathlib.Path
) -> None:
    shutil.copytree(written_models / "tiny" / "2", base / "2")
    both = "specific { versions: 1 versions: 2 }"

    async def work(manager: ModelManager) -> None:
        await manager.start(config_of(base, both, stable=1, canary=2))
        assert await answer(manager, label="stable") == expected(1)
        assert await answer(manager, label="canary") == expected(2)
        assert await answer(manager, version=1) == expected(1)
        assert await answer(manager) == expected(2)

        await manager.reload(config_of(base, both, stable=2))
        assert await answer(manager, label="stable") == expected(2)
        assert lease_refusal(manager, label="canary")[0] == (
            grpc.StatusCode.INVALID_ARGUMENT
        )

    served(work)


def test_a_label_needs_a_loaded_version_unless_any_is_allowed(
    base: pathlib.Path,
) -> None:
    async def strict(manager: ModelManager) -> None:
        await manager.start(config_of(base, stable=1))
        assert await reload_refusal(manager, config_of(base, stable=7)) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            (
                "Request to assign label to version 7 of model tiny, which is not "
                "currently available for inference"
            ),
        )
        assert await answer(manager, label="stable") == expected(1)

    async def lax(manager: ModelManager) -> None:
        await manager.start(config_of(base, stable=1, canary=7))
        assert lease_refusal(manager, label="canary") == (
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Specific(tiny, 7)",
        )

    served(strict)
    served(lax, allow_version_labels_for_unavailable_models=True)


def test_models_come_and_go_with_the_config(
    base: pathlib.Path, written_models: pathlib.Path
) -> None:
    both = config_of(base)
    both.model_config_list.config.add(
        name="half",
        base_path=str(written_models / "half_plus_two"),
        model_platform="tensorflow",
    )

    async def work(manager: ModelManager) -> None:
        await manager.start(config_of(base))
        await manager.reload(both)
        with manager.lease(spec(name="half")) as servable:
            said = await manager.run(servable, "", {"x": np.array([2, 4], np.float32)})
        assert said["y"].tolist() == [3.0, 4.0]
        assert manager.config == both

        await manager.reload(config_of(base))
        await until(
            lambda: manager.status(spec(name="half"))[0].state == State.Value("END")
        )
        assert lease_refusal(manager, name="half")[0] == grpc.StatusCode.NOT_FOUND
        assert await answer(manager) == expected(1)

    served(work)


def test_a_refused_config_leaves_all_as_it_was(
    base: pathlib.Path, written_models: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.copytree(written_models / "tiny" / "2", base / "2")
    (tmp_path / "broken" / "1").mkdir(parents=True)
    one = "specific { versions: 1 }"
    broken = config_of(base)
    broken.model_config_list.config.add(
        name="broken",
        base_path=str(tmp_path / "broken"),
        model_platform="tensorflow",
    )
    relative = config_of(pathlib.Path("models"))

    async def work(manager: ModelManager) -> None:
        await manager.start(config_of(base, one, stable=1))
        code, message = await reload_refusal(manager, broken)
        assert code == grpc.StatusCode.UNKNOWN
        assert "{name: broken version: 1} due to error: NOT_FOUND" in message
        code, message = await reload_refusal(manager, relative)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "to have an absolute path or URI" in message

        assert manager.config == config_of(base, one, stable=1)
        assert await answer(manager) == expected(1)
        assert await answer(manager, label="stable") == expected(1)
        # What the refused config alone asked for goes again.
        await until(lambda: states(manager) == {2: "END", 1: "AVAILABLE"})

    served(work)


def test_a_server_does_not_start_with_a_model_that_does_not_load(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "1").mkdir()

    async def work(manager: ModelManager) -> None:
        with pytest.raises(ServingError, match=r"1 servable\(s\) did not become"):
            await manager.start(config_of(tmp_path))

    served(work)


def test_a_server_waits_for_the_first_version_unless_told_not_to(
    tmp_path: pathlib.Path, written_models: pathlib.Path
) -> None:
    base = tmp_path / "tiny"

    async def waits(manager: ModelManager) -> None:
        await manager.start(config_of(base))
        assert not manager.ready()
        shutil.copytree(written_models / "tiny" / "1", base / "staged")
        (base / "staged").rename(base / "1")
        await until(manager.ready)
        assert await answer(manager) == expected(1)

    async def refuses(manager: ModelManager) -> None:
        with pytest.raises(ServingError, match="Unable to find a numerical version"):
            await manager.start(config_of(tmp_path / "nowhere"))

    served(waits)
    served(refuses, fail_if_no_model_versions_found=True)


def test_only_folders_with_a_number_for_a_name_are_versions(
    base: pathlib.Path, written_models: pathlib.Path
) -> None:
    for name in ("2.staging", "latest", "-3", "٣", ".4"):
        shutil.copytree(written_models / "tiny" / "2", base / name)
    (base / "7").write_text("a file")

    async def work(manager: ModelManager) -> None:
        await manager.start(config_of(base, "all {}"))
        await asyncio.sleep(0.1)
        assert states(manager) == {1: "AVAILABLE"}

    served(work)


def test_batched_answers_are_those_of_single_requests(base: pathlib.Path) -> None:
    params = BatchingParams(max_batch_size=32, allowed_batch_sizes=(8, 32))

    async def work(manager: ModelManager) -> None:
        await manager.start(config_of(base))

        async def ask(rows: int, seed: int) -> None:
            with manager.lease(spec()) as servable:
                columns = tiny.rows(rows, seed)
                said = await manager.run(servable, "predict_raw", columns)
                np.testing.assert_allclose(
                    said["probability"], tiny.answers(columns, 1), atol=1e-6
                )

        await asyncio.gather(*(ask(1 + seed % 3, seed) for seed in range(8)))
        with manager.lease(spec()) as servable:
            ranking = tiny.ranking(40)  # more than a batch may hold
            said = await manager.run(servable, "rank", ranking)
        np.testing.assert_allclose(
            said["probability"], tiny.answers(ranking, 1), atol=1e-6
        )

    served(work, batching=params)


def test_runs_loads_and_requests_are_counted(base: pathlib.Path) -> None:
    async def work(manager: ModelManager) -> str:
        await manager.start(config_of(base))
        await answer(manager)
        manager.metrics.request("tiny", "OK", 1500.0, "Predict", "GRPC")
        manager.metrics.examples("tiny", 3)
        return manager.metrics.text().decode()

    text = served(work)

    name = ":tensorflow:serving:"
    served_by = 'API="Predict",entrypoint="GRPC",model_name="tiny"'
    run_by = 'API="Predict",model_name="tiny",runtime="TF1"'
    warmed = f'model_path="{base / "1"}",status="OK"'
    for line in (
        f'{name}request_count{{model_name="tiny",status="OK"}} 1.0',
        f"# TYPE {name}request_count counter",
        f'{name}model_load_count{{model_name="tiny",status="OK"}} 1.0',
        f"{name}request_latency_sum{{{served_by}}} 1500.0",
        f"{name}runtime_latency_count{{{run_by}}} 1.0",
        f'{name}request_example_counts_bucket{{le="4.0",model="tiny"}} 1.0',
        f"{name}model_warmup_latency_count{{{warmed}}} 1.0",
        "clickwright:serving:config_error 0.0",
    ):
        assert line in text.splitlines()
    assert "_created" not in text


def test_a_closed_manager_serves_no_one(base: pathlib.Path) -> None:
    async def work(manager: ModelManager) -> None:
        await manager.start(config_of(base))
        assert manager.ready()
        await manager.close()
        assert not manager.ready()
        assert states(manager) == {1: "END"}
        assert lease_refusal(manager)[0] == grpc.StatusCode.NOT_FOUND

    served(work)
