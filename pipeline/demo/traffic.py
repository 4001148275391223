"""Simulated shoppers who ask a router, and what they do."""

import asyncio
import contextlib
import dataclasses
import datetime
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from clickwright.pipeline.demo.online_shop import Hour, OnlineShop, Visit
from clickwright.pipeline.demo.routed_client import Routed, RoutedClient
from clickwright.pipeline.demo.simulated_clock import SimulatedClock
from clickwright.pipeline.demo.true_lifts import TrueLifts
from clickwright.schemas.events import OUTCOME
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.marketplace.world import Floats, Ints
from clickwright.schemas.source import progress
from clickwright.serving.client import AsyncClient

CALLERS = 8
"""Requests under way at once."""
_CLICK_SECONDS = 60.0
"""A click comes within so long after the page."""
_TIMEOUT = 30.0


@dataclasses.dataclass(frozen=True)
class TrafficResult:
    """What was sent.

    Attributes:
        page_views: requests, all of which were answered.
        assigned: those of users who take part.
        users: the users who take part.
        outcomes: clicks and purchases.
        true_lifts: what `build_report` takes: the lift of each arm over control, by
            metric and arm.
    """

    page_views: int
    assigned: int
    users: int
    outcomes: int
    true_lifts: dict[str, dict[str, float]]


class Traffic:
    """Real requests of simulated users.

    The router answers them; the shop shows what the answer ranks first, and the users'
    clicks and purchases become outcomes. What the other arms would have answered is
    asked of the model server itself, past the router, so that the true lift is known.

    Args:
        shop: who comes and what they do.
        experiment: the definition.
        router: `host:port` of the router's gRPC.
        server: that of the model server.
        clock: is set as the users come; the router reads it.
    """

    def __init__(
        self,
        shop: OnlineShop,
        experiment: Experiment,
        router: str,
        server: str,
        clock: SimulatedClock,
    ) -> None:
        self._shop = shop
        self._experiment = experiment
        self._router = router
        self._server = server
        self._clock = clock
        self._chance = np.random.default_rng(0)  # when clicks come moves no figure
        self._variants: dict[int, str] = {}  # by user
        self._outcomes: list[dict[str, Any]] = []
        self._truth = TrueLifts(experiment)
        self._sent = 0
        self._assigned = 0

    def send(self, outcomes: pathlib.Path) -> TrafficResult:
        """Sends all requests, and writes the outcomes.

        Args:
            outcomes: a Parquet file to write.

        Raises:
            RequestError: a request was not answered.
        """
        asyncio.run(self._send())
        pq.write_table(pa.Table.from_pylist(self._outcomes, OUTCOME), outcomes)
        return TrafficResult(
            self._sent,
            self._assigned,
            len(self._variants),
            len(self._outcomes),
            self._truth.lifts(),
        )

    async def _send(self) -> None:
        experiment = self._experiment
        async with contextlib.AsyncExitStack() as stack:
            arms = {}
            for name, arm in experiment.arms.items():
                client = AsyncClient(
                    self._server,
                    arm.target.model,
                    version=arm.target.version,
                    label=arm.target.label,
                    timeout=_TIMEOUT,
                )
                arms[name] = await stack.enter_async_context(client)
            signatures = await arms[experiment.control].metadata()
            router = await stack.enter_async_context(
                RoutedClient(
                    self._router,
                    experiment.model,
                    experiment.unit_source.header or "",
                    signatures,
                    timeout=_TIMEOUT,
                )
            )
            for hour in self._shop.hours():
                await self._answer(hour, router, arms)
                progress.info(
                    "Sent %d requests.",
                    self._sent,
                    extra={
                        "rows": self._sent,
                        "total": self._shop.page_views,
                        "fraction": self._sent / self._shop.page_views,
                        "detail": f"{self._clock.now():%b %d}",
                    },
                )

    async def _answer(
        self, hour: Hour, router: RoutedClient, arms: Mapping[str, AsyncClient]
    ) -> None:
        """One hour: what the users got, and what the other arms would have given."""
        users = hour.views.user.tolist()
        routed = await self._ask_router(hour, router)
        variant = np.array([answer.variant or "" for answer in routed])
        for user, name in zip(users, variant.tolist(), strict=True):
            if name:
                self._variants.setdefault(user, name)
        given = np.stack([answer.scores for answer in routed])
        for arm, client in arms.items():
            scores = given.copy()
            (others,) = np.nonzero((variant != arm) & (variant != ""))
            if len(others):
                scores[others] = await self._ask_server(hour, arm, client, others)
            visit = self._shop.show(hour, arm, scores)
            self._truth.add(arm, visit, variant != "")
            # Where nobody is assigned, all worlds are the one of control.
            control = arm == self._experiment.control
            self._record(visit, (variant == arm) | (control & (variant == "")))
        self._sent += len(users)
        self._assigned += int((variant != "").sum())

    async def _ask_router(self, hour: Hour, router: RoutedClient) -> list[Routed]:
        shop, control = self._shop, self._experiment.control
        columns = {
            arm: shop.user_columns(requests).to_pylist()
            for arm, requests in hour.requests.items()
        }
        attributes = shop.attributes(hour)
        free = asyncio.Semaphore(CALLERS)

        async def ask(row: int) -> Routed:
            user = int(hour.views.user[row])
            arm = self._variants.get(user, control)
            async with free:
                self._clock.advance(float(hour.views.timestamp[row]))
                return await router.rank(
                    unit_of(user),
                    self._request_id(row),
                    attributes[row],
                    columns[arm][row],
                    shop.item_columns(hour.views.items[row]),
                )

        return await asyncio.gather(*(ask(row) for row in range(len(attributes))))

    async def _ask_server(
        self, hour: Hour, arm: str, client: AsyncClient, rows: Ints
    ) -> Floats:
        """What an arm says of some of the requests in its own world."""
        items = hour.views.items[rows]
        users = self._shop.user_columns(hour.requests[arm])
        repeated = users.take(pa.array(np.repeat(rows, items.shape[1])))
        columns = {name: repeated[name] for name in repeated.column_names}
        scores = await client.predict(
            columns | self._shop.item_columns(items.reshape(-1))
        )
        return np.asarray(scores).reshape(items.shape)

    def _record(self, visit: Visit, real: npt.NDArray[np.bool_]) -> None:
        """Keeps what users did on the pages that they were really shown.

        Args:
            visit: what came of an hour's page views.
            real: which of them these are, `[requests]`.
        """
        now = self._clock.now()
        for row, place in zip(*np.nonzero(visit.clicks * real[:, None]), strict=True):
            request = self._request_id(row)
            position = int(visit.position[row, place])
            after = datetime.timedelta(seconds=self._chance.random() * _CLICK_SECONDS)
            for name, values in (("click", visit.clicks), ("revenue", visit.revenue)):
                if values[row, place]:
                    self._outcomes.append(
                        {
                            "outcome_id": f"{request}-{position}-{name}",
                            "request_id": request,
                            "name": name,
                            "value": float(values[row, place]),
                            "position": position,
                            "at": now + after,
                        }
                    )

    def _request_id(self, row: int) -> str:
        """The id of a request of the hour at work."""
        return f"{self._experiment.id}-{self._sent + row}"


def unit_of(user: int) -> str:
    """The id by which a simulated user is known online."""
    return f"user-{user}"
