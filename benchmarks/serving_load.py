"""Requests to a model server, as fast as a number of callers get their answers."""

import asyncio
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

Metadata: TypeAlias = Sequence[tuple[str, str]]

_METHOD = "/tensorflow.serving.PredictionService/Predict"
_DEADLINE = 30.0


@dataclasses.dataclass
class Load:
    """What came of the requests of one load.

    Attributes:
        seconds: from the first request to the last answer.
        sent: requests.
        started: when each answered request was sent, seconds of the monotonic clock.
        ended: when its answer was there.
        answers: of each request, by its place among the payloads, all that differ.
        errors: what failed, in words.
    """

    seconds: float
    sent: int
    started: np.ndarray[Any, Any]
    ended: np.ndarray[Any, Any]
    answers: list[set[bytes]]
    errors: list[str]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.ended) / self.seconds

    @property
    def lost(self) -> int:
        """Requests with neither an answer nor an error."""
        return self.sent - len(self.ended) - len(self.errors)

    @property
    def milliseconds(self) -> np.ndarray[Any, Any]:
        """How long each answer took."""
        return 1000.0 * (self.ended - self.started)

    def difference(self, want: Sequence[np.ndarray[Any, Any]]) -> float:
        """The largest difference of any score from those wanted, by payload."""
        largest = 0.0
        for answers, scores in zip(self.answers, want, strict=True):
            for answer in answers:
                (output,) = PredictResponse.FromString(answer).outputs.values()
                found = tf.make_ndarray(output)
                if found.shape != scores.shape:
                    return float("inf")
                largest = max(largest, float(np.abs(found - scores).max()))
        return largest


def run_load(
    address: str,
    requests: Sequence[PredictRequest],
    callers: int,
    seconds: float,
    meanwhile: Callable[[], None] | None = None,
    metadata: Callable[[int], Metadata] | None = None,
    rate: float = 0.0,
) -> Load:
    """Lets each caller send its next request when the one before is answered.

    The requests are bytes already, and the answers stay bytes, so that little of the
    machine goes to asking.

    Args:
        address: `host:port` of the server's gRPC.
        requests: what is asked, over and over.
        callers: requests under way at a time.
        seconds: how long, at least.
        meanwhile: done in a thread of its own; the load lasts until it is done.
        metadata: what is sent with the nth request; nothing when None.
        rate: requests a second that all callers send together at most; 0: as many as
            are answered.
    """
    payloads = [request.SerializeToString() for request in requests]
    return asyncio.run(
        _load(address, payloads, callers, seconds, meanwhile, metadata, rate)
    )


async def _load(
    address: str,
    payloads: Sequence[bytes],
    callers: int,
    seconds: float,
    meanwhile: Callable[[], None] | None,
    metadata: Callable[[int], Metadata] | None,
    rate: float,
) -> Load:
    times: list[tuple[float, float]] = []
    answers: list[set[bytes]] = [set() for _ in payloads]
    errors: list[str] = []
    sent = 0
    busy = True

    async def caller(number: int) -> None:
        nonlocal sent
        place = number * len(payloads) // callers
        pause = callers / rate if rate else 0.0
        due = time.monotonic() + number * pause / callers
        while busy:
            if rate:
                # One that is late waits for its next turn. Were it to go at once, a
                # moment in which the machine stands still would have all callers late
                # alike, and from then on they would ask at the same time.
                turns = math.ceil((time.monotonic() - due) / pause)
                due += pause * max(turns, 1)
                await asyncio.sleep(due - time.monotonic())
            given = metadata(sent) if metadata is not None else None
            sent += 1
            start = time.monotonic()
            try:
                answer = await predict(
                    payloads[place], timeout=_DEADLINE, metadata=given
                )
            except grpc.aio.AioRpcError as error:
                errors.append(f"{error.code().name}: {error.details()}")
            else:
                times.append((start, time.monotonic()))
                answers[place].add(answer)
            place = (place + 1) % len(payloads)

    async with grpc.aio.insecure_channel(address) as channel:
        predict = channel.unary_unary(_METHOD)
        start = time.monotonic()
        running = [asyncio.create_task(caller(n)) for n in range(callers)]
        if meanwhile is not None:
            await asyncio.to_thread(meanwhile)
        await asyncio.sleep(start + seconds - time.monotonic())
        busy = False
        await asyncio.gather(*running)
    found = np.array(times).reshape(-1, 2)
    return Load(
        seconds=time.monotonic() - start,
        sent=sent,
        started=found[:, 0],
        ended=found[:, 1],
        answers=answers,
        errors=errors,
    )
