"""Requests that go through the model together."""

import asyncio
import pathlib
import threading
from collections.abc import Awaitable, Collection, Iterator, Mapping
from typing import Any

import grpc
import numpy as np
import pytest
import tiny_served_model as tiny

from clickwright.serving.server.batcher import Batcher
from clickwright.serving.server.batching_params import BatchingParams
from clickwright.serving.server.metrics import Metrics
from clickwright.serving.server.servable import Servable
from clickwright.serving.server.serving_error import ServingError


class WatchedServable(Servable):
    """Notes the rows of each run, and waits before it until it may go on."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder, "tiny", 2)
        self.seen: list[int] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def run(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Collection[str] = (),
    ) -> dict[str, np.ndarray]:
        self.go_on.wait()
        self.seen.append(len(next(iter(inputs.values()), ())))
        return super().run(signature, inputs, outputs)


@pytest.fixture(scope="module")
def loaded(written_models: pathlib.Path) -> Iterator[WatchedServable]:
    with WatchedServable(written_models / "tiny" / "2") as servable:
        yield servable


@pytest.fixture
def servable(loaded: WatchedServable) -> WatchedServable:
    loaded.seen.clear()
    return loaded


def run_together(
    params: BatchingParams, work: Any, metrics: Metrics | None = None
) -> Any:
    """Runs `work(batcher)` and closes the batcher."""

    async def main() -> Any:
        batcher = Batcher(params, metrics or Metrics())
        try:
            return await work(batcher)
        finally:
            await batcher.close()

    return asyncio.run(main())


async def gathered(*work: Awaitable) -> list[Any]:
    return await asyncio.gather(*work, return_exceptions=True)


def test_requests_that_arrive_together_share_a_run(servable: WatchedServable) -> None:
    requests = [tiny.rows(rows, seed) for seed, rows in enumerate((1, 4, 2))]
    params = BatchingParams(max_batch_size=64, batch_timeout_micros=50_000)

    async def work(batcher: Batcher) -> list[Any]:
        return await gathered(
            *(batcher.run(servable, "predict_raw", each) for each in requests)
        )

    found = run_together(params, work)

    assert servable.seen == [7]
    for said, request in zip(found, requests, strict=True):
        expected = tiny.answers(request, version=2)
        np.testing.assert_allclose(said["probability"], expected, atol=1e-6)


def test_without_a_wait_what_has_been_read_shares_a_run(
    servable: WatchedServable,
) -> None:
    async def work(batcher: Batcher) -> list[Any]:
        return await gathered(
            *(batcher.run(servable, "predict_raw", tiny.rows(2)) for _ in range(5))
        )

    found = run_together(BatchingParams(max_batch_size=64), work)

    assert servable.seen == [10]
    assert all(len(said["probability"]) == 2 for said in found)


def test_a_batch_is_filled_up_to_an_allowed_size(servable: WatchedServable) -> None:
    params = BatchingParams(max_batch_size=32, allowed_batch_sizes=(8, 32))
    metrics = Metrics()

    async def work(batcher: Batcher) -> list[Any]:
        return await gathered(
            *(batcher.run(servable, "predict_raw", tiny.rows(3, s)) for s in (1, 2, 3))
        )

    found = run_together(params, work, metrics)

    assert servable.seen == [32]
    for seed, said in zip((1, 2, 3), found, strict=True):
        expected = tiny.answers(tiny.rows(3, seed), version=2)
        np.testing.assert_allclose(said["probability"], expected, atol=1e-6)
    name = ":tensorflow:serving:batching_session"
    text = metrics.text().decode()
    assert f'{name}:processed_batch_size_sum{{model_name="tiny"}} 9.0' in text
    assert f'{name}:padding_size_sum{{model_name="tiny"}} 23.0' in text


def test_a_full_batch_does_not_wait(servable: WatchedServable) -> None:
    params = BatchingParams(max_batch_size=4, batch_timeout_micros=60_000_000)

    async def work(batcher: Batcher) -> list[Any]:
        return await asyncio.wait_for(
            gathered(
                *(batcher.run(servable, "predict_raw", tiny.rows(2)) for _ in range(4))
            ),
            30,
        )

    run_together(params, work)

    assert servable.seen == [4, 4]


def test_requests_of_other_shapes_and_signatures_are_kept_apart(
    servable: WatchedServable,
) -> None:
    short = tiny.rows(2)
    short["history"] = short["history"][:, :3]
    examples = {"examples": tiny.examples(tiny.rows(2))}

    async def work(batcher: Batcher) -> list[Any]:
        return await gathered(
            batcher.run(servable, "predict_raw", tiny.rows(2)),
            batcher.run(servable, "predict_raw", short),
            batcher.run(servable, "serving_default", examples),
        )

    found = run_together(BatchingParams(max_batch_size=64), work)

    assert servable.seen == [2, 2, 2]
    np.testing.assert_allclose(
        found[1]["probability"], tiny.answers(short, version=2), atol=1e-6
    )


def test_a_bad_request_does_not_harm_those_beside_it(
    servable: WatchedServable,
) -> None:
    good = {"examples": tiny.examples(tiny.rows(2))}
    bad = {"examples": np.array([b"\xff\xff"], dtype=object)}

    async def work(batcher: Batcher) -> list[Any]:
        return await gathered(
            *(batcher.run(servable, "", each) for each in (good, bad, good))
        )

    found = run_together(BatchingParams(max_batch_size=64), work)

    expected = tiny.answers(tiny.rows(2), version=2)
    np.testing.assert_allclose(found[0]["probability"], expected, atol=1e-6)
    np.testing.assert_allclose(found[2]["probability"], expected, atol=1e-6)
    assert isinstance(found[1], ServingError)
    assert found[1].code == grpc.StatusCode.INVALID_ARGUMENT
    assert "Could not parse example input" in found[1].message


def test_signatures_that_tie_rows_together_are_not_batched(
    servable: WatchedServable,
) -> None:
    columns = tiny.rows(4)
    uneven = columns | {"price": columns["price"][:2]}
    none = {name: x[:0] for name, x in columns.items()}

    async def work(batcher: Batcher) -> list[bool]:
        return [
            batcher.takes(servable, *request)
            for request in (
                ("predict_raw", columns),
                ("", {"examples": tiny.examples(columns)}),
                ("top_k", {name: columns[name] for name in tiny.USER_COLUMNS}),
                ("rank", tiny.ranking(1)),
                ("predict_raw", uneven),
                ("predict_raw", none),
                ("predict_raw", {"item_id": np.array(3)}),
            )
        ]

    found = run_together(BatchingParams(), work)

    assert found == [True, True, True, False, False, False, False]


def test_a_request_larger_than_a_batch_is_refused(servable: WatchedServable) -> None:
    async def work(batcher: Batcher) -> Any:
        return await batcher.run(servable, "predict_raw", tiny.rows(9))

    with pytest.raises(
        ServingError, match="Task size 9 is larger than maximum input batch size 8"
    ):
        run_together(BatchingParams(max_batch_size=8), work)


def test_a_full_queue_refuses_and_loses_nothing(servable: WatchedServable) -> None:
    params = BatchingParams(
        max_batch_size=2, max_enqueued_batches=2, num_batch_threads=1
    )

    async def work(batcher: Batcher) -> list[Any]:
        servable.go_on.clear()
        asked = [
            asyncio.ensure_future(batcher.run(servable, "predict_raw", tiny.rows(2)))
            for _ in range(6)
        ]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        servable.go_on.set()
        return await gathered(*asked)

    found = run_together(params, work)

    refused = [x for x in found if isinstance(x, ServingError)]
    assert {x.code for x in refused} == {grpc.StatusCode.UNAVAILABLE}
    assert (
        "currently 2 batches enqueued and max_enqueued_batches is 2"
        in refused[0].message
    )
    answered = [x for x in found if isinstance(x, dict)]
    # One ran and two waited.
    assert (len(answered), len(refused)) == (3, 3)
    assert servable.seen == [2, 2, 2]


def test_a_waiting_batch_takes_more_rows(servable: WatchedServable) -> None:
    params = BatchingParams(max_batch_size=64, num_batch_threads=1)

    async def work(batcher: Batcher) -> list[Any]:
        servable.go_on.clear()
        asked = []
        for _ in range(4):
            asked.append(
                asyncio.ensure_future(
                    batcher.run(servable, "predict_raw", tiny.rows(3))
                )
            )
            await asyncio.sleep(0.01)  # long enough for the first to be taken
        servable.go_on.set()
        return await gathered(*asked)

    found = run_together(params, work)

    assert all(len(said["probability"]) == 3 for said in found)
    assert servable.seen == [3, 9]


def test_a_request_whose_client_left_is_not_run(servable: WatchedServable) -> None:
    params = BatchingParams(max_batch_size=64, batch_timeout_micros=20_000)

    async def work(batcher: Batcher) -> Any:
        leaves = asyncio.ensure_future(
            batcher.run(servable, "predict_raw", tiny.rows(5))
        )
        await asyncio.sleep(0)
        leaves.cancel()
        return await batcher.run(servable, "predict_raw", tiny.rows(2))

    found = run_together(params, work)

    assert len(found["probability"]) == 2
    assert servable.seen == [2]


def test_closing_answers_what_waits(servable: WatchedServable) -> None:
    params = BatchingParams(max_batch_size=64, batch_timeout_micros=60_000_000)

    async def main() -> Any:
        batcher = Batcher(params, Metrics())
        asked = asyncio.ensure_future(
            batcher.run(servable, "predict_raw", tiny.rows(2))
        )
        await asyncio.sleep(0)
        await batcher.close()
        return await asked

    assert len(asyncio.run(main())["probability"]) == 2
