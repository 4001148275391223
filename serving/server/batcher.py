"""Requests that arrive together go through the model together."""

import asyncio
import bisect
import collections
import concurrent.futures
import dataclasses
import functools
import weakref
from collections.abc import Collection, Mapping

import grpc
import numpy as np

from clickwright.serving.server.batching_params import BatchingParams
from clickwright.serving.server.metrics import Metrics
from clickwright.serving.server.servable import DEFAULT_SIGNATURE, Servable
from clickwright.serving.server.serving_error import ServingError


@dataclasses.dataclass(eq=False)
class _Task:
    inputs: Mapping[str, np.ndarray]
    rows: int
    answer: asyncio.Future[dict[str, np.ndarray]]


@dataclasses.dataclass(eq=False)
class _Batch:
    key: tuple
    servable: Servable
    signature: str
    outputs: tuple[str, ...]
    rows: int = 0
    due: bool = False
    tasks: list[_Task] = dataclasses.field(default_factory=list)
    timer: asyncio.Handle | None = None


class Batcher:
    """Puts the rows of requests for one signature into batches.

    Requests share a batch where servable, signature, wanted outputs, and the inputs'
    types and shapes beyond the rows are the same. Signatures that tie a row to
    another, as `rank` does with its one user, are never batched; see `takes`. A
    request that breaks a batch fails alone: the others of it run again.

    All methods belong to the event loop's thread.

    Args:
        params: sizes and times.
        metrics: told of each batch.
    """

    def __init__(self, params: BatchingParams, metrics: Metrics) -> None:
        self.params = params
        self._metrics = metrics
        self._threads = concurrent.futures.ThreadPoolExecutor(
            params.num_batch_threads, thread_name_prefix="batch"
        )
        self._free = params.num_batch_threads
        self._open: dict[tuple, _Batch] = {}
        self._ready: collections.deque[_Batch] = collections.deque()
        self._waiting: collections.Counter[tuple] = collections.Counter()
        self._takes: weakref.WeakKeyDictionary[Servable, dict[str, bool]] = (
            weakref.WeakKeyDictionary()
        )

    def takes(
        self, servable: Servable, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> bool:
        """Returns whether the request's rows may stand in a batch with others.

        They may where every input and output of the signature has a first dimension
        of any size, and the request's inputs have the same number of rows.
        """
        known = self._takes.setdefault(servable, {})
        name = signature or DEFAULT_SIGNATURE
        if name not in known:
            definition = servable.signature(name)
            known[name] = all(
                not info.tensor_shape.unknown_rank
                and info.tensor_shape.dim
                and info.tensor_shape.dim[0].size == -1
                for side in (definition.inputs, definition.outputs)
                for info in side.values()
            )
        rows = {x.shape[0] if x.ndim else 0 for x in inputs.values()}
        return known[name] and len(rows) == 1 and rows != {0}

    async def run(
        self,
        servable: Servable,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Collection[str] = (),
    ) -> dict[str, np.ndarray]:
        """Runs a signature on a request that `takes` lets in; see `Servable.run`.

        Raises:
            ServingError: as `Servable.run`; the request is larger than a batch may
                be; too many batches wait.
        """
        rows = len(next(iter(inputs.values())))
        if rows > self.params.max_batch_size:
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Task size {rows} is larger than maximum input batch size "
                f"{self.params.max_batch_size}",
            )
        wanted = tuple(outputs)
        shapes = tuple(
            (name, x.dtype.str, x.shape[1:]) for name, x in sorted(inputs.items())
        )
        key = (servable, signature, wanted, shapes)
        batch = self._open.get(key)
        if batch is None or batch.rows + rows > self.params.max_batch_size:
            if batch is not None:
                self._make_due(batch)
            batch = self._begin(_Batch(key, servable, signature, wanted))
        answer = asyncio.get_running_loop().create_future()
        batch.tasks.append(_Task(inputs, rows, answer))
        batch.rows += rows
        if batch.rows == self.params.max_batch_size:
            self._make_due(batch)
        return await answer

    async def close(self) -> None:
        """Waits for the batches that there are."""
        pending = [
            task.answer
            for batch in (*self._open.values(), *self._ready)
            for task in batch.tasks
        ]
        for batch in list(self._open.values()):
            self._make_due(batch)
        await asyncio.gather(*pending, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)

    def _begin(self, batch: _Batch) -> _Batch:
        queue, limit = batch.key[:2], self.params.max_enqueued_batches
        if self._waiting[queue] >= limit:
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full; "
                f"currently {self._waiting[queue]} batches enqueued and "
                f"max_enqueued_batches is {limit}",
            )
        self._waiting[queue] += 1
        self._open[batch.key] = batch
        loop = asyncio.get_running_loop()
        if self.params.batch_timeout_micros:
            seconds = self.params.batch_timeout_micros / 1e6
            batch.timer = loop.call_later(seconds, self._make_due, batch)
        else:  # what the loop has read already still gets in
            batch.timer = loop.call_soon(self._make_due, batch)
        return batch

    def _make_due(self, batch: _Batch) -> None:
        if batch.due:
            return
        batch.due = True
        if batch.timer is not None:
            batch.timer.cancel()
        self._ready.append(batch)
        self._dispatch()

    def _dispatch(self) -> None:
        """Gives due batches to free threads. One that waits for a thread takes more."""
        while self._free and self._ready:
            batch = self._ready.popleft()
            if self._open.get(batch.key) is batch:
                del self._open[batch.key]
            queue = batch.key[:2]
            self._waiting[queue] -= 1
            if not self._waiting[queue]:
                del self._waiting[queue]
            # The client of a cancelled one has gone.
            tasks = [task for task in batch.tasks if not task.answer.done()]
            if not tasks:
                continue
            self._free -= 1
            work = asyncio.get_running_loop().run_in_executor(
                self._threads, self._work, batch, tasks
            )
            work.add_done_callback(functools.partial(self._end, tasks))

    def _end(
        self,
        tasks: list[_Task],
        work: asyncio.Future[list[dict[str, np.ndarray] | BaseException]],
    ) -> None:
        self._free += 1
        if (error := work.exception()) is not None:
            answers: list = [error] * len(tasks)
        else:
            answers = work.result()
        for task, answer in zip(tasks, answers, strict=True):
            if task.answer.done():
                continue
            if isinstance(answer, BaseException):
                task.answer.set_exception(answer)
            else:
                task.answer.set_result(answer)
        self._dispatch()

    def _work(
        self, batch: _Batch, tasks: list[_Task]
    ) -> list[dict[str, np.ndarray] | BaseException]:
        """One answer or error a task; runs in a thread."""
        try:
            return list(self._run_batch(batch, tasks))
        except ServingError as error:
            if len(tasks) == 1:
                return [error]
        # One of them may be to blame for it; the others are not.
        answers: list[dict[str, np.ndarray] | BaseException] = []
        for task in tasks:
            try:
                answers += self._run_batch(batch, [task])
            except ServingError as error:
                answers.append(error)
        return answers

    def _run_batch(
        self, batch: _Batch, tasks: list[_Task]
    ) -> list[dict[str, np.ndarray]]:
        rows = sum(task.rows for task in tasks)
        sizes = self.params.allowed_batch_sizes
        size = sizes[bisect.bisect_left(sizes, rows)] if sizes else rows
        self._metrics.batch(batch.servable.name, rows, size)
        inputs = {}
        for name, first in tasks[0].inputs.items():
            parts = [task.inputs[name] for task in tasks]
            if size > rows:
                parts.append(np.repeat(first[:1], size - rows, axis=0))
            inputs[name] = np.concatenate(parts) if len(parts) > 1 else first
        found = batch.servable.run(batch.signature, inputs, batch.outputs)
        if any(not x.ndim or len(x) != size for x in found.values()):
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum of the "
                "0th dimension sizes of the input tensors",
            )
        answers, start = [], 0
        for task in tasks:
            stop = start + task.rows
            answers.append({name: x[start:stop] for name, x in found.items()})
            start = stop
        return answers
