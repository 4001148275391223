"""The simulated shop online: who comes, and what they do under each arm."""

import dataclasses
import datetime
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clickwright.pipeline.demo.traffic_options import TrafficOptions
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.marketplace import tables
from clickwright.schemas.marketplace.histories import Histories
from clickwright.schemas.marketplace.simulator import (
    HISTORY_LENGTH,
    PAGE,
    Context,
    Marketplace,
)
from clickwright.schemas.marketplace.source import MarketplaceOptions
from clickwright.schemas.marketplace.truth import Requests, purchase_probability
from clickwright.schemas.marketplace.world import DEVICES, SEGMENTS, Floats, Ints

_DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Hour:
    """The page views of one hour of the experiment.

    Attributes:
        number: hours with page views before this one.
        requests: what each arm's world knows of them, by arm. Users, times, devices and
            candidates are the same in all; histories are what users clicked there.
    """

    number: int
    requests: dict[str, Requests]

    @property
    def views(self) -> Requests:
        """What is the same under every arm."""
        return next(iter(self.requests.values()))


@dataclasses.dataclass(frozen=True)
class Visit:
    """What came of an hour's page views under one arm; arrays are `[requests, PAGE]`.

    Attributes:
        position: the items shown, best first, as places among the candidates.
        clicks: 1 where an item was clicked.
        revenue: the price where a click ended in a purchase, else 0.
        expected_clicks: the probability of the click.
        expected_revenue: the mean of the revenue.
    """

    position: Ints
    clicks: Ints
    revenue: Floats
    expected_clicks: Floats
    expected_revenue: Floats


class OnlineShop:
    """Goes on where the shop's log ends, once under each arm.

    Each arm has a world: the same users come at the same times to the same candidates,
    see what the arm ranks first, and click by the shop's true probabilities. What they
    click there is their history there. One set of random numbers serves all worlds, so
    that these differ by the arm alone.

    Args:
        options: the shop, and the log whose clicks are known when it opens.
        experiment: its arms, and how long it runs; it starts where the log ends.
        traffic: how much is asked for.

    Attributes:
        page_views: pages that will be asked for.
        pages_before: pages that each user saw in the log, `[users]`.
        clicks_before: what they clicked there, `[users]`.
    """

    def __init__(
        self,
        options: MarketplaceOptions,
        experiment: Experiment,
        traffic: TrafficOptions,
    ) -> None:
        self._shop = Marketplace(options.users, options.items, options.seed)
        self._first_day = options.days
        self._days = math.ceil((experiment.end - experiment.start) / _DAY)
        self._traffic = traffic
        self.page_views = traffic.page_views
        known = Histories(options.users, HISTORY_LENGTH)
        self.pages_before = np.zeros(options.users)
        self.clicks_before = np.zeros(options.users)
        for chunk in self._shop.log(options.impressions, options.days, known):
            user = chunk.requests.user
            np.add.at(self.pages_before, user, 1)
            np.add.at(self.clicks_before, user, chunk.clicks.sum(axis=1))
        self._histories = {arm: known.copy() for arm in experiment.arms}
        items = tables.items_table(self._shop.world).drop_columns("vector")
        self._items = {name: items[name].to_numpy() for name in items.column_names}

    def hours(self) -> Iterator[Hour]:
        """Page views, hour by hour; answer each with `show` before the next."""
        traffic = self._traffic
        rng = np.random.default_rng([traffic.seed, 0])
        views = self._shop.page_views(
            rng, traffic.page_views, self._days, self._first_day
        )
        for number, asked in enumerate(views):
            items = self._shop.draw_items(rng, len(asked.user), traffic.candidates)
            yield Hour(
                number,
                {
                    arm: Requests(
                        asked.user,
                        asked.timestamp,
                        asked.device,
                        items,
                        known.items[asked.user],
                        known.times[asked.user],
                    )
                    for arm, known in self._histories.items()
                },
            )

    def user_columns(self, requests: Requests) -> pa.Table:
        """What a model reads of users and context, one row a request."""
        table = tables.requests_table(self._shop.world, requests)
        top = np.zeros(table.num_rows, np.int64)  # candidates have no place yet
        return table.append_column("position", pa.array(top))

    def item_columns(self, items: Ints) -> dict[str, npt.NDArray[np.generic]]:
        """What a model reads of candidates, `[candidates]` each."""
        return {name: column[items] for name, column in self._items.items()}

    def attributes(self, hour: Hour) -> list[dict[str, str]]:
        """What the results are sliced by, one mapping a request."""
        segment = self._shop.world.segment[hour.views.user]
        return [
            {"device": DEVICES[device], "segment": SEGMENTS[code]}
            for device, code in zip(hour.views.device, segment, strict=True)
        ]

    def show(self, hour: Hour, arm: str, scores: Floats) -> Visit:
        """Shows the best candidates, and goes on in the arm's world.

        Args:
            hour: the page views.
            arm: whose world it is.
            scores: `[requests, candidates]`.
        """
        requests = hour.requests[arm]
        position = np.argsort(-scores, axis=1, kind="stable")[:, :PAGE]
        shown = np.take_along_axis(requests.items, position, axis=1)
        response = self._shop.respond(
            requests.user,
            Context(
                requests.timestamp,
                np.take(DEVICES, requests.device),
                requests.history,
                requests.history_times,
            ),
            shown,
            np.random.default_rng([self._traffic.seed, 1, hour.number]),
        )
        row, place = np.nonzero(response.clicks)
        self._histories[arm].append(
            requests.user[row], shown[row, place], requests.timestamp[row]
        )
        buys = purchase_probability(
            self._shop.world, dataclasses.replace(requests, items=shown)
        )
        return Visit(
            position,
            response.clicks,
            response.revenue,
            response.probabilities,
            response.probabilities * buys * self._shop.world.price[shown],
        )
