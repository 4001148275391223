"""Who answers a request, and what is recorded of it."""

import asyncio
import dataclasses
import logging
import os
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from clickwright.experiments.assignment import Assignment, assign_among
from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.experiment_book import ExperimentBook
from clickwright.experiments.hashing import pseudonym
from clickwright.schemas.errors import MachineError
from clickwright.schemas.events import Exposure
from clickwright.schemas.experiment import Experiment, Target
from clickwright.serving.router.answer import Answer
from clickwright.serving.router.call import Call
from clickwright.serving.router.clock import Clock, Now
from clickwright.serving.router.headers import Headers, checked_unit
from clickwright.serving.router.metrics import Metrics
from clickwright.serving.router.options import RouterOptions
from clickwright.serving.server.serving_error import ServingError

_PASSING = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
    }
)
"""Failures that the same model may not have a second time."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Routed:
    """An answered request.

    Attributes:
        reply: what the model server replied.
        experiment: whose exposure is in the log; None: there is no exposure.
        variant: the arm that the unit was assigned to.
    """

    reply: Any
    experiment: str | None = None
    variant: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Chosen:
    experiment: Experiment
    assignment: Assignment
    unit: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Tried:
    reply: Any
    answer: Answer
    target: Target
    seconds: float


class Routing:
    """Assigns requests, asks the arms, and records exposures.

    A request takes part where an experiment runs on the model that it names, and it
    names no version, or the one that control has: whoever asks for another gets that
    one. Every arm, control too, has `arm_timeout_share` of the request's time and, when
    it fails in a way that may pass, control as a second chance; so a slow server
    speaks against no arm.

    Args:
        book: the experiments.
        exposures: where exposures go.
        options: the router's flags.
        now: the time that experiments run by; the machine's when None.

    Attributes:
        metrics: what happened.
    """

    def __init__(
        self,
        book: ExperimentBook,
        exposures: EventLog,
        options: RouterOptions,
        now: Now | None = None,
    ) -> None:
        self.metrics = Metrics(lambda: self._in_flight)
        self._book = book
        self._exposures = exposures
        self._options = options
        self._now = now or Clock(self.metrics.clock_set_back).now
        self._in_flight = 0
        self._shadows: set[asyncio.Task[Any]] = set()
        self._secrets: dict[str, bytes] = {}

    async def answer(self, call: Call, headers: Headers, seconds: float) -> Routed:
        """Answers a request; its exposure is in the log when this returns.

        Args:
            call: the request.
            headers: what it says about itself.
            seconds: that its caller waits.

        Raises:
            ServingError: nobody answered, or the request breaks a rule.
        """
        start = time.perf_counter()
        code = grpc.StatusCode.OK
        if self._in_flight >= self._options.max_in_flight:
            self.metrics.request(call.api, "RESOURCE_EXHAUSTED", 0.0)
            raise ServingError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._in_flight} requests are under way; this router takes at most "
                f"{self._options.max_in_flight} (--max_in_flight). Try again later.",
            )
        self._in_flight += 1
        try:
            return await self._answer(call, headers, start, start + seconds)
        except ServingError as error:
            code = error.code
            raise
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception as error:
            code = grpc.StatusCode.INTERNAL
            log.exception("A request failed in an unforeseen way")
            raise ServingError(
                code, f"The router failed on this request ({type(error).__name__})."
            ) from error
        finally:
            self._in_flight -= 1
            passed = time.perf_counter() - start
            _later(self.metrics.request, call.api, code.name, passed)

    async def close(self) -> None:
        """Ends the shadows that still run."""
        for task in self._shadows:
            task.cancel()
        await asyncio.gather(*self._shadows, return_exceptions=True)

    async def _answer(
        self, call: Call, headers: Headers, start: float, end: float
    ) -> Routed:
        at = self._now()
        running = [x for x in self._book.of_model(call.model, at) if _routed(x, call)]
        if not running:
            return Routed(await call.send(None, _left(end)))
        if not call.exposed:
            return Routed(await call.send(_control(running[0]), _left(end)))
        attributes = headers.attributes()
        chosen = self._choose(running, call, headers, at)
        if chosen is None:
            return Routed(await call.send(_control(running[0]), _left(end)))
        experiment, assignment = chosen.experiment, chosen.assignment
        variant = str(assignment.variant)
        shadow = self._shadow(call, experiment, variant, headers.request_id, end)
        tried, failure = await self._try(call, experiment, variant, end)
        passed = tried.seconds
        found: Answer | None = None
        if shadow is not None:
            found = await self._shadowed(shadow, experiment, tried.answer)
        total = time.perf_counter() - start
        answer = tried.answer
        exposure = Exposure(
            request_id=headers.request_id,
            unit=chosen.unit,
            experiment=experiment.id,
            variant=variant,
            model=tried.target.model,
            version=answer.version,
            label=tried.target.label,
            bucket=assignment.bucket,
            propensity=assignment.propensity,
            at=at,
            latency_ms=1000.0 * total,
            candidates=answer.candidates,
            scores=answer.scores,
            failed_variant=None if failure is None else variant,
            failure=failure,
            override=assignment.reason == "override",
            shadow_version=None if found is None else found.version,
            shadow_difference=None if found is None else answer.difference(found),
            attributes=attributes,
        )
        try:
            await self._record(exposure)
        except MachineError as error:
            return await self._unrecorded(call, chosen, tried, end, error)
        _later(self.metrics.exposure, experiment.id, variant)
        if shadow is None:
            _later(self.metrics.own, time.perf_counter() - start - passed)
        return Routed(tried.reply, experiment.id, variant)

    def _choose(
        self, running: Sequence[Experiment], call: Call, headers: Headers, at: Any
    ) -> _Chosen | None:
        """Finds the one experiment that takes the request's unit."""
        units: dict[str, list[Experiment]] = {}
        for experiment in running:
            unit = _unit(experiment, call, headers)
            if unit is None:
                if experiment.missing_unit == "error":
                    raise ServingError(
                        grpc.StatusCode.INVALID_ARGUMENT,
                        f"The request lacks its unit: {_place(experiment)}",
                    )
                continue
            units.setdefault(unit, []).append(experiment)
        for unit, of_unit in units.items():
            found = assign_among(of_unit, unit, at)
            if found is None:
                continue
            experiment, assignment = found
            logged = self._logged(experiment, unit)
            if logged is None:
                self.metrics.unassigned("no secret")
                return None
            return _Chosen(experiment, assignment, logged)
        self.metrics.unassigned("not taken" if units else "no unit")
        return None

    def _logged(self, experiment: Experiment, unit: str) -> str | None:
        """The unit as the log has it; None: the secret for its pseudonym is absent."""
        privacy = experiment.privacy
        if not privacy.hash_units:
            return unit
        secret = self._secrets.get(privacy.secret_env)
        if secret is None:
            secret = os.environ.get(privacy.secret_env, "").encode()
            self._secrets[privacy.secret_env] = secret
        return pseudonym(unit, secret) if secret else None

    async def _try(
        self, call: Call, experiment: Experiment, variant: str, end: float
    ) -> tuple[_Tried, str | None]:
        """Asks the unit's arm, and control when that fails; tells the failure."""
        seconds = _left(end) * self._options.arm_timeout_share
        start = time.perf_counter()
        try:
            return await self._ask(call, experiment, variant, seconds), None
        except ServingError as error:
            if variant == experiment.control and error.code not in _PASSING:
                raise
            failure = error.code.name
        tried = await self._ask(call, experiment, experiment.control, _left(end))
        self.metrics.fallback(experiment.id, variant)
        return dataclasses.replace(tried, seconds=time.perf_counter() - start), failure

    async def _ask(
        self, call: Call, experiment: Experiment, variant: str, seconds: float
    ) -> _Tried:
        target = experiment.arms[variant].target
        start = time.perf_counter()
        code = grpc.StatusCode.OK
        try:
            reply = await call.send(target, seconds)
            passed = time.perf_counter() - start
            return _Tried(reply, call.read(reply), target, passed)
        except ServingError as error:
            code = error.code
            raise
        finally:
            passed = time.perf_counter() - start
            _later(self.metrics.arm, experiment.id, variant, code.name, passed)

    async def _record(self, exposure: Exposure) -> None:
        if self._options.log_sync == "always":  # the disk takes its time
            await asyncio.to_thread(self._exposures.append, exposure)
        else:
            self._exposures.append(exposure)

    async def _unrecorded(
        self,
        call: Call,
        chosen: _Chosen,
        tried: _Tried,
        end: float,
        error: MachineError,
    ) -> Routed:
        """Answers where the log could not take the exposure."""
        experiment, variant = chosen.experiment, str(chosen.assignment.variant)
        self.metrics.lost(experiment.id, variant)
        log.error("An exposure is lost. %s", error)
        if self._options.on_log_failure == "error":
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE, "The exposure cannot be recorded."
            )
        control = _control(experiment)
        if tried.target == control:
            return Routed(tried.reply)
        return Routed(await call.send(control, _left(end)))

    def _shadow(
        self,
        call: Call,
        experiment: Experiment,
        variant: str,
        request_id: str,
        end: float,
    ) -> asyncio.Task[Answer] | None:
        """Sends a copy of what control answers to the shadow, if it is to have one."""
        shadow = experiment.shadow
        if (
            shadow.arm is None
            or variant != experiment.control
            or len(self._shadows) >= self._options.max_in_flight
            or zlib.crc32(request_id.encode()) >= shadow.share * 2**32
        ):
            return None
        target = experiment.arms[shadow.arm].target
        task = asyncio.create_task(_answered(call, target, _left(end)))
        self._shadows.add(task)
        task.add_done_callback(self._shadow_ended)
        return task

    def _shadow_ended(self, task: asyncio.Task[Answer]) -> None:
        self._shadows.discard(task)
        if not task.cancelled():
            task.exception()  # it is looked at where an answer waits for it

    async def _shadowed(
        self, task: asyncio.Task[Answer], experiment: Experiment, answer: Answer
    ) -> Answer | None:
        """Waits a little for a shadow; one that takes longer goes to the metrics."""

        def count(done: asyncio.Task[Answer]) -> None:
            if done.cancelled():
                return
            error, difference, code = done.exception(), None, "OK"
            if isinstance(error, ServingError):
                code = error.code.name
            elif error is not None:
                code = "INTERNAL"
            else:
                difference = answer.difference(done.result())
            self.metrics.shadow(
                experiment.id, str(experiment.shadow.arm), code, difference
            )

        task.add_done_callback(count)
        wait = self._options.shadow_wait_in_ms / 1000
        done, _ = await asyncio.wait({task}, timeout=wait)
        if not done or task.cancelled() or task.exception() is not None:
            return None
        return task.result()


async def _answered(call: Call, target: Target, seconds: float) -> Answer:
    return call.read(await call.send(target, seconds))


def _routed(experiment: Experiment, call: Call) -> bool:
    """Whether the request leaves it to the experiment which version answers."""
    if not call.label and call.version is None:
        return True
    control = _control(experiment)
    asked = (call.model, call.label or None, call.version)
    return asked == (control.model, control.label, control.version)


def _control(experiment: Experiment) -> Target:
    return experiment.arms[experiment.control].target


def _unit(experiment: Experiment, call: Call, headers: Headers) -> str | None:
    source = experiment.unit_source
    if source.header is not None:
        value = headers.get(source.header)
        return None if value is None else checked_unit(value)
    return call.unit(str(source.input))


def _place(experiment: Experiment) -> str:
    source = experiment.unit_source
    if source.header is not None:
        return f"send the metadata key, or header, `{source.header}`"
    return f"send the input `{source.input}`"


def _later(count: Callable[..., None], *values: object) -> None:
    """Counts once the answer is on its way: nobody waits for it."""
    asyncio.get_running_loop().call_soon(count, *values)


def _left(end: float) -> float:
    """Seconds until `end`.

    Raises:
        ServingError: there are none.
    """
    left = end - time.perf_counter()
    if left <= 0:
        raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    return left
