"""A model server keeps answering while versions on the disk break."""

import asyncio
import json
import logging
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest
import tiny_served_model as tiny
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from clickwright.schemas.manifest import MANIFEST_PATH, Manifest, digest_of, hash_files
from clickwright.serving.server.model_config import single_model, write_model_config
from clickwright.serving.server.model_manager import ModelManager
from clickwright.serving.server.serving_error import ServingError

SPEC = ModelSpec(name="tiny")


@pytest.fixture
def base(written_models: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A base path with version 1 of `tiny`."""
    folder = tmp_path / "tiny"
    shutil.copytree(written_models / "tiny" / "1", folder / "1")
    return folder


@pytest.fixture
def second(written_models: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """Version 2 with a manifest, beside the base path."""
    folder = tmp_path / "second"
    shutil.copytree(written_models / "tiny" / "2", folder)
    files = hash_files(folder)
    manifest = Manifest(
        model_name="tiny",
        version=2,
        published_at="2026-01-01T00:00:00+00:00",
        digest=digest_of(files),
        files=files,
        provenance={},
    )
    (folder / MANIFEST_PATH).write_text(manifest.model_dump_json())
    return folder


def served(base: pathlib.Path, work: Callable[[ModelManager], Any]) -> Any:
    async def main() -> Any:
        manager = ModelManager(file_system_poll_wait_seconds=0.02)
        try:
            await manager.start(single_model("tiny", base))
            return await work(manager)
        finally:
            await manager.close()

    return asyncio.run(main())


def found(manager: ModelManager) -> dict[int, tuple[str, str]]:
    """State and error of each version."""
    return {
        v.version: (
            ModelVersionStatus.State.Name(v.state),
            v.status.error_message,
        )
        for v in manager.status(SPEC)
    }


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        await asyncio.sleep(0.01)


async def check_answers(manager: ModelManager, version: int) -> None:
    with manager.lease(SPEC) as servable:
        said = await manager.run(servable, "predict_raw", tiny.rows(1))
    expected = tiny.answers(tiny.rows(1), version)[0]
    assert said["probability"][0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("late", "problem"),
    [
        ("saved_model.pb", "saved_model.pb is missing"),
        ("variables/variables.index", "variables.index is missing"),
    ],
)
def test_a_half_copied_version_waits_until_it_is_whole(
    base: pathlib.Path, second: pathlib.Path, late: str, problem: str
) -> None:
    async def work(manager: ModelManager) -> None:
        shutil.copytree(
            second,
            base / "2",
            ignore=lambda _, names: [n for n in names if n == late.split("/")[-1]],
        )
        await until(lambda: found(manager).get(2, ("", ""))[0] == "END")
        assert problem in found(manager)[2][1]
        assert found(manager)[1] == ("AVAILABLE", "")
        await check_answers(manager, 1)

        shutil.copy(second / late, base / "2" / late)
        await until(lambda: found(manager) == {2: ("AVAILABLE", ""), 1: ("END", "")})
        await check_answers(manager, 2)

    served(base, work)


def test_a_half_copied_version_without_a_manifest_waits_too(
    base: pathlib.Path, written_models: pathlib.Path
) -> None:
    whole = written_models / "tiny" / "2"

    async def work(manager: ModelManager) -> None:
        (base / "2").mkdir()
        shutil.copy(whole / "saved_model.pb", base / "2")
        await until(lambda: found(manager).get(2, ("", ""))[0] == "END")
        await check_answers(manager, 1)

        shutil.copytree(whole, base / "2", dirs_exist_ok=True)
        await until(lambda: found(manager)[2] == ("AVAILABLE", ""))
        await check_answers(manager, 2)

    served(base, work)


@pytest.mark.parametrize("cut", [True, False])
def test_corrupt_variables_leave_the_previous_version_serving(
    base: pathlib.Path, second: pathlib.Path, cut: bool
) -> None:
    (data,) = second.glob("variables/variables.data-*")
    content = bytearray(data.read_bytes())
    if cut:
        del content[len(content) // 2 :]
    else:
        for place in range(0, len(content), 8):
            content[place] ^= 0xFF
    data.write_bytes(content)

    async def work(manager: ModelManager) -> None:
        second.rename(base / "2")
        await until(lambda: found(manager).get(2, ("", ""))[0] == "END")
        problem = found(manager)[2][1]
        assert ("its manifest says" in problem) == cut
        assert cut or "hecksum" in problem
        assert found(manager)[1] == ("AVAILABLE", "")
        await check_answers(manager, 1)

    served(base, work)
    # A server that starts on it falls back to the one before, too.
    served(base, lambda manager: check_answers(manager, 1))


def test_a_version_deleted_while_loaded_goes_on_until_another_is_there(
    base: pathlib.Path, second: pathlib.Path
) -> None:
    async def work(manager: ModelManager) -> None:
        shutil.copytree(second, base / "2")
        await until(lambda: found(manager) == {2: ("AVAILABLE", ""), 1: ("END", "")})
        shutil.rmtree(base / "2")
        await until(lambda: found(manager) == {2: ("END", ""), 1: ("AVAILABLE", "")})
        await check_answers(manager, 1)

        shutil.rmtree(base / "1")
        await asyncio.sleep(0.2)
        await check_answers(manager, 1)
        shutil.rmtree(base)
        await asyncio.sleep(0.2)
        await check_answers(manager, 1)
        assert found(manager)[1] == ("AVAILABLE", "")

    served(base, work)


def test_a_config_file_with_a_syntax_error_changes_nothing(
    base: pathlib.Path,
    written_models: pathlib.Path,
    tmp_path: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "models.config"
    config = single_model("tiny", base)
    write_model_config(path, config)

    async def work(manager: ModelManager) -> None:
        manager.watch(path, 0.02)
        path.write_text("model_config_list { config { name: 'tiny' ")
        await until(lambda: bool(manager.config_error))
        assert str(path) in manager.config_error
        assert "Invalid protobuf file" in manager.config_error
        gauge = "clickwright:serving:config_error"
        assert f"{gauge} 1.0" in manager.metrics.text().decode()
        await check_answers(manager, 1)
        assert manager.config == config
        await asyncio.sleep(0.1)

        config.model_config_list.config.add(
            name="half",
            base_path=str(written_models / "half_plus_two"),
            model_platform="tensorflow",
        )
        write_model_config(path, config)
        await until(lambda: manager.config == config)
        await until(lambda: not manager.config_error)
        with manager.lease(ModelSpec(name="half")) as servable:
            assert servable.version == 123
        assert f"{gauge} 0.0" in manager.metrics.text().decode()

    with caplog.at_level(logging.ERROR):
        served(base, work)

    said = [r for r in caplog.records if "The config stays as it was" in r.message]
    assert len(said) == 1  # not once a poll


def test_a_damaged_manifest_is_an_error_of_that_version_alone(
    base: pathlib.Path, second: pathlib.Path
) -> None:
    (second / MANIFEST_PATH).write_text(json.dumps({"files": "none"}))

    async def work(manager: ModelManager) -> None:
        second.rename(base / "2")
        await until(lambda: found(manager).get(2, ("", ""))[0] == "END")
        assert MANIFEST_PATH in found(manager)[2][1]
        await check_answers(manager, 1)

    served(base, work)


def test_a_version_that_fails_is_tried_again_as_often_as_it_may(
    base: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (base / "2").mkdir()

    async def main() -> str:
        manager = ModelManager(
            file_system_poll_wait_seconds=0.01,
            max_num_load_retries=2,
            load_retry_interval_micros=1_000,
        )
        try:
            await manager.start(single_model("tiny", base))
            for _ in range(60):
                await asyncio.sleep(0.01)
            await check_answers(manager, 1)
            return manager.metrics.text().decode()
        finally:
            await manager.close()

    counter = ":tensorflow:serving:model_load_count"
    line = f'{counter}{{model_name="tiny",status="NOT_FOUND"}} 3.0'
    assert line in asyncio.run(main())


def test_a_request_is_refused_clearly_when_no_version_ever_loaded(
    tmp_path: pathlib.Path,
) -> None:
    async def work(manager: ModelManager) -> None:
        with pytest.raises(
            ServingError, match=r"not found for request: Latest\(tiny\)"
        ):
            await check_answers(manager, 1)

    served(tmp_path / "nowhere", work)
