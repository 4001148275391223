"""The simulated shop: writes a click log, and answers online."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from clickwright.schemas.errors import DataError, did_you_mean
from clickwright.schemas.marketplace.histories import Histories
from clickwright.schemas.marketplace.truth import (
    DAY,
    NO_ITEM,
    START,
    Requests,
    Weights,
    attraction,
    click_probability,
    purchase_probability,
)
from clickwright.schemas.marketplace.world import DEVICES, Floats, Ints, World

PAGE = 10
"""Items on a page of the log."""
HISTORY_LENGTH = 50
"""Clicks of a user that the log and the truth look back on, at most."""

_HOUR = 3_600
# Page views by hour of the day, and on Saturday and Sunday against other days.
_HOURLY = np.array(
    [2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 8, 9, 8, 7, 7, 8, 9, 11, 13, 14, 12, 8, 4], float
)
_WEEKEND = 1.3
_MAIN_DEVICE = 0.8  # share of a user's page views on the device used most
_EARLIER_CLICKS = 12  # mean clicks of a user in the month before the log
_EARLIER_DAYS = 30
_EARLIER_CHOICE = 100  # items among which those clicks fell


@dataclasses.dataclass(frozen=True)
class Context:
    """The circumstances of one request, or of a batch of them.

    Attributes:
        timestamp: seconds since 1970, `[]` or `[requests]`.
        device: one of `DEVICES`, `[]` or `[requests]`.
        history: items clicked before, oldest first, `[length]` or
            `[requests, length]`; `NO_ITEM` pads. Nothing was clicked when absent.
        history_times: when they were clicked, shaped alike.
    """

    timestamp: npt.ArrayLike
    device: npt.ArrayLike
    history: npt.ArrayLike | None = None
    history_times: npt.ArrayLike | None = None


@dataclasses.dataclass(frozen=True)
class Response:
    """What a user did with a ranked list; arrays are shaped like the list.

    Attributes:
        clicks: 1 where the item was clicked, else 0.
        revenue: the price where a click ended in a purchase, else 0.
        probabilities: the true click probabilities that the clicks were drawn from.
    """

    clicks: Ints
    revenue: Floats
    probabilities: Floats


@dataclasses.dataclass(frozen=True)
class PageViews:
    """Who asks for pages within one hour, in the order of time; all `[requests]`.

    Attributes:
        user: ids.
        timestamp: seconds since 1970.
        device: code of the device.
    """

    user: Ints
    timestamp: Ints
    device: Ints


@dataclasses.dataclass(frozen=True)
class LogChunk:
    """The requests of one hour of the log, in the order of time.

    Attributes:
        requests: what was shown to whom, with the histories as known when the hour
            began.
        clicks: `[requests, PAGE]`.
        probabilities: the true click probabilities, `[requests, PAGE]`.
    """

    requests: Requests
    clicks: npt.NDArray[np.bool_]
    probabilities: Floats


class Marketplace:
    """A shop whose users click as `truth` documents.

    Args:
        users: number of users; their ids are 0 .. users-1.
        items: number of items; their ids are 0 .. items-1.
        seed: the same seed gives the same shop and the same log.
        weights: how much each effect counts.
    """

    def __init__(
        self, users: int, items: int, seed: int, weights: Weights | None = None
    ) -> None:
        self.world = World.create(users, items, seed)
        self.weights = weights if weights is not None else Weights()
        self._seed = seed

    def log(
        self, impressions: int, days: int, histories: Histories | None = None
    ) -> Iterator[LogChunk]:
        """Simulates the shop's log hour by hour.

        Pages show items drawn by their exposure, in random order. Histories hold the
        clicks of earlier hours (at first those of the month before), so that no row
        knows of a click that came later.

        Args:
            impressions: rows; the last page counts whole.
            days: length of the log.
            histories: empty ones for all users, which take the clicks as the log goes
                on; at its end they are what is known online.
        """
        rng = np.random.default_rng([self._seed, 1])
        users = len(self.world.segment)
        known = Histories(users, HISTORY_LENGTH) if histories is None else histories
        self._fill_earlier(rng, known)
        for views in self.page_views(rng, -(-impressions // PAGE), days):
            user = views.user
            requests = Requests(
                user=user,
                timestamp=views.timestamp,
                device=views.device,
                items=self.draw_items(rng, len(user), PAGE),
                history=known.items[user],
                history_times=known.times[user],
            )
            probabilities = click_probability(self.world, self.weights, requests)
            clicks = rng.random(probabilities.shape) < probabilities
            yield LogChunk(requests, clicks, probabilities)
            row, position = np.nonzero(clicks)
            known.append(
                user[row], requests.items[row, position], requests.timestamp[row]
            )

    def page_views(
        self, rng: np.random.Generator, count: int, days: int, first_day: int = 0
    ) -> Iterator[PageViews]:
        """Draws who asks for pages, hour by hour; hours without any are left out.

        Args:
            rng: what to draw with.
            count: pages in all.
            days: over how many days.
            first_day: days from the start of the log to the first of these.
        """
        hours = np.arange(first_day * 24, (first_day + days) * 24)
        weekend = (START // DAY + hours // 24 + 3) % 7 >= 5  # 1970-01-01: a Thursday
        views = _HOURLY[hours % 24] * np.where(weekend, _WEEKEND, 1.0)
        pages = rng.multinomial(count, views / views.sum())
        for hour, asked in zip(hours, pages, strict=True):
            if asked == 0:
                continue
            user = rng.choice(len(self.world.activity), asked, p=self.world.activity)
            device = np.where(
                rng.random(asked) < _MAIN_DEVICE,
                self.world.device[user],
                rng.integers(len(DEVICES), size=asked),
            )
            seconds = rng.integers(_HOUR, size=asked)
            yield PageViews(user, np.sort(START + hour * _HOUR + seconds), device)

    def draw_items(
        self, rng: np.random.Generator, pages: int, size: int, distinct: bool = True
    ) -> Ints:
        """Items by exposure, `[pages, size]`; none twice on a page if `distinct`."""
        edges = np.cumsum(self.world.exposure)[:-1]
        drawn = np.searchsorted(edges, rng.random((pages, size)), side="right")
        again = np.arange(pages if distinct else 0)
        while len(again):  # pages with a repeated item get another for it
            rows = drawn[again]
            repeated = _repeated(rows)
            rows[repeated] = np.searchsorted(
                edges, rng.random(repeated.sum()), side="right"
            )
            drawn[again] = rows
            again = again[repeated.any(axis=1)]
        return drawn

    def respond(
        self,
        user: npt.ArrayLike,
        context: Context,
        ranked_items: npt.ArrayLike,
        seed: int | np.random.Generator,
    ) -> Response:
        """Shows ranked lists to users, and returns what they did.

        The clicks follow the very function that made the log.

        Args:
            user: who asks, `[]` or `[requests]`.
            context: the circumstances, shaped alike.
            ranked_items: what is shown, best first, `[positions]` or
                `[requests, positions]`. No item twice in a list.
            seed: the same seed gives the same clicks; a generator goes on.

        Raises:
            DataError: names the argument, the value received and the rule.
        """
        requests = self._checked(user, context, ranked_items)
        rng = np.random.default_rng(seed)
        probabilities = click_probability(self.world, self.weights, requests)
        clicks = rng.random(probabilities.shape) < probabilities
        # Drawn for every item, so that one click more leaves the other draws alone.
        bought = rng.random(clicks.shape) < purchase_probability(self.world, requests)
        revenue = np.where(clicks & bought, self.world.price[requests.items], 0.0)
        shape = np.shape(ranked_items)
        return Response(
            clicks.astype(np.int64).reshape(shape),
            revenue.reshape(shape),
            probabilities.reshape(shape),
        )

    def _fill_earlier(self, rng: np.random.Generator, histories: Histories) -> None:
        """Adds what was clicked in the month before the log, by attraction."""
        users = len(self.world.segment)
        for start in range(0, users, 10_000):
            user = np.arange(start, min(start + 10_000, users))
            shown = self.draw_items(rng, len(user), _EARLIER_CHOICE, distinct=False)
            times = START - 1 - rng.integers(_EARLIER_DAYS * DAY, size=shown.shape)
            nothing = np.full((len(user), 0), NO_ITEM)
            requests = Requests(
                user=user,
                timestamp=np.full(len(user), START),
                device=self.world.device[user],
                items=shown,
                history=nothing,
                history_times=nothing,
            )
            # Gumbel noise: the best n are a draw of n in proportion to exp(score).
            score = attraction(self.world, self.weights, requests)
            best = np.argsort(-score - rng.gumbel(size=shown.shape), axis=1)
            clicks = rng.geometric(1 / (1 + _EARLIER_CLICKS), len(user)) - 1
            chosen = np.arange(HISTORY_LENGTH) < clicks[:, None]
            row, rank = np.nonzero(chosen)
            place = best[row, rank]
            item, time = shown[row, place], times[row, place]
            order = np.argsort(time, kind="stable")
            histories.append(user[row][order], item[order], time[order])

    def _checked(
        self, user: npt.ArrayLike, context: Context, ranked_items: npt.ArrayLike
    ) -> Requests:
        """The arguments of `respond` as a batch, checked."""
        batch = np.shape(user)
        if len(batch) > 1:
            raise _refusal("user", f"shape {batch}", "one user, or one a request")
        items = _integers("ranked_items", ranked_items)
        if items.shape[:-1] != batch or items.ndim == 0 or items.shape[-1] == 0:
            raise _refusal(
                "ranked_items",
                f"shape {items.shape} for users of shape {batch}",
                "at least one item for every user",
            )
        requests = Requests(
            user=_inside("user", user, len(self.world.segment)).reshape(-1),
            timestamp=_integers("timestamp", context.timestamp).reshape(-1),
            device=_device_codes(context.device),
            items=_inside("ranked_items", items, len(self.world.category)).reshape(
                -1, items.shape[-1]
            ),
            **self._checked_history(context, batch),
        )
        for name in ("timestamp", "device"):
            if np.shape(getattr(context, name)) != batch:
                raise _refusal(
                    name,
                    f"shape {np.shape(getattr(context, name))}",
                    f"shape {batch}, that of `user`",
                )
        if _repeated(requests.items).any():
            raise _refusal("ranked_items", "an item twice", "every item once a list")
        late = requests.history_times > requests.timestamp[:, None]
        if (late & (requests.history != NO_ITEM)).any():
            raise _refusal(
                "history_times", "a click after the request", "clicks before it"
            )
        return requests

    def _checked_history(
        self, context: Context, batch: tuple[int, ...]
    ) -> dict[str, Any]:
        if (context.history is None) != (context.history_times is None):
            raise _refusal("history", "one of the two", "`history` and `history_times`")
        empty = np.zeros((*batch, 0), dtype=np.int64)
        history = empty if context.history is None else context.history
        times = empty if context.history_times is None else context.history_times
        if np.shape(history) != np.shape(times) or np.shape(history)[:-1] != batch:
            raise _refusal(
                "history",
                f"shapes {np.shape(history)} and {np.shape(times)}",
                f"two equal lists for each of {batch} users",
            )
        rows, length = math.prod(batch), np.shape(history)[-1]
        items = _inside("history", history, len(self.world.category), lowest=NO_ITEM)
        return {
            "history": items.reshape(rows, length),
            "history_times": _integers("history_times", times).reshape(rows, length),
        }


def _repeated(pages: Ints) -> npt.NDArray[np.bool_]:
    """Where a row shows what an earlier place of it shows too."""
    order = np.argsort(pages, axis=1, kind="stable")
    ordered = np.take_along_axis(pages, order, axis=1)
    repeated = np.zeros(pages.shape, dtype=bool)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return repeated


def _device_codes(device: npt.ArrayLike) -> Ints:
    names = np.asarray(device).reshape(-1)
    unknown = sorted({str(name) for name in names} - set(DEVICES))
    if unknown:
        raise DataError(
            f"`device` must be one of {', '.join(DEVICES)}. Received: {unknown[0]!r}."
            f"{did_you_mean(unknown[0], DEVICES)}"
        )
    return np.searchsorted(DEVICES, names)


def _integers(name: str, values: npt.ArrayLike) -> Ints:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise _refusal(name, f"values of type {array.dtype}", "integers")
    return array.astype(np.int64)


def _inside(name: str, values: npt.ArrayLike, count: int, lowest: int = 0) -> Ints:
    array = _integers(name, values)
    outside = array[(array < lowest) | (array >= count)]
    if outside.size:
        raise _refusal(name, str(outside[0]), f"ids from {lowest} to {count - 1}")
    return array


def _refusal(name: str, received: str, rule: str) -> DataError:
    return DataError(f"`{name}` must hold {rule}. Received: {received}.")
