"""Who shops in the simulated shop, and what it sells."""

import dataclasses
import functools
from typing import Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SEGMENTS = (
    "athlete",
    "gamer",
    "homemaker",
    "parent",
    "professional",
    "retiree",
    "student",
    "traveller",
)
AGE_GROUPS = ("18-24", "25-34", "35-49", "50-64", "65+")
CATEGORIES = (
    "audio",
    "baby",
    "beauty",
    "books",
    "camera",
    "computers",
    "fashion",
    "fitness",
    "furniture",
    "games",
    "garden",
    "grocery",
    "jewellery",
    "kitchen",
    "luggage",
    "music",
    "outdoor",
    "pets",
    "shoes",
    "toys",
)
BRANDS = tuple(f"brand_{number:02d}" for number in range(20))
DEVICES = ("desktop", "phone", "tablet")
HOUR_BANDS = 6
"""The day in bands of four hours, the first from midnight."""
VECTOR_WIDTH = 128
STYLE_WIDTH = 8

_BRANDS_A_CATEGORY = 5
_DEVICE_SHARES = (0.3, 0.55, 0.15)


@dataclasses.dataclass(frozen=True)
class World:
    """Users, items and the tables of effects, all drawn from one seed.

    Codes are places in `SEGMENTS`, `AGE_GROUPS`, `CATEGORIES`, `BRANDS` and
    `DEVICES`. Every effect table has mean 0 and standard deviation 1; how much an
    effect counts stands in `truth.Weights`.

    Attributes:
        segment: code of each user's segment, `[users]`.
        age_group: code of each user's age group, `[users]`.
        budget: what each user likes to spend on one item, `[users]`.
        activity: share of all page views that each user makes, `[users]`.
        device: code of the device that each user mostly uses, `[users]`.
        taste: each user's taste when the log starts, `[users, STYLE_WIDTH]`.
        later_taste: what the taste turns towards, `[users, STYLE_WIDTH]`.
        turn: how fast it turns, in radians a day, `[users]`.
        category: code of each item's category, `[items]`.
        brand: code of each item's brand, `[items]`.
        price: lognormal around the category's level, `[items]`, float32.
        vector: multimodal vector, `[items, VECTOR_WIDTH]`, float32.
        exposure: share of all places on pages that each item gets, `[items]`.
        style_axes: the directions of the vector that tastes look at, orthonormal,
            `[VECTOR_WIDTH, STYLE_WIDTH]`.
        appeal_axis: the direction that everybody likes, `[VECTOR_WIDTH]`.
        category_effect: `[categories]`.
        brand_effect: `[brands]`.
        segment_category: `[segments, categories]`.
        segment_brand: `[segments, brands]`.
        device_hour: `[devices, HOUR_BANDS]`.
    """

    segment: Ints
    age_group: Ints
    budget: Floats
    activity: Floats
    device: Ints
    taste: Floats
    later_taste: Floats
    turn: Floats
    category: Ints
    brand: Ints
    price: npt.NDArray[np.float32]
    vector: npt.NDArray[np.float32]
    exposure: Floats
    style_axes: Floats
    appeal_axis: Floats
    category_effect: Floats
    brand_effect: Floats
    segment_category: Floats
    segment_brand: Floats
    device_hour: Floats

    @classmethod
    def create(cls, users: int, items: int, seed: int) -> Self:
        """Draws a world; the same arguments give the same world."""
        rng = np.random.default_rng([seed, 0])
        segments, categories = len(SEGMENTS), len(CATEGORIES)

        segment = rng.choice(segments, users, p=rng.dirichlet(np.full(segments, 30.0)))
        ages = rng.dirichlet(np.full(len(AGE_GROUPS), 1.5), segments)
        spending = np.exp(
            rng.permutation(np.linspace(np.log(15), np.log(90), segments))
        )
        activity = rng.lognormal(0.0, 0.8, users)
        segment_taste = rng.normal(size=(segments, STYLE_WIDTH))
        own_taste = rng.normal(size=(users, STYLE_WIDTH))

        category = rng.choice(
            categories, items, p=rng.dirichlet(np.full(categories, 15.0))
        )
        stock = np.stack(
            [
                rng.choice(len(BRANDS), _BRANDS_A_CATEGORY, replace=False)
                for _ in range(categories)
            ]
        )
        level = rng.permutation(np.linspace(np.log(10), np.log(120), categories))
        price = np.exp(rng.normal(level[category], 0.9)).round(2).clip(0.5)
        exposure = rng.lognormal(0.0, 0.7, items)

        axes, _ = np.linalg.qr(rng.normal(size=(VECTOR_WIDTH, STYLE_WIDTH + 1)))
        surface = rng.normal(size=(categories, VECTOR_WIDTH))[category]
        surface = surface + rng.normal(0.0, 0.5, size=(items, VECTOR_WIDTH))
        # What the category explains lies beside the axes, so that style and appeal
        # stand in the vector alone.
        surface -= (surface @ axes) @ axes.T
        vector = surface + rng.normal(size=(items, STYLE_WIDTH + 1)) @ axes.T

        return cls(
            segment=segment,
            age_group=_choose(rng, ages[segment]),
            budget=spending[segment] * rng.lognormal(0.0, 0.5, users),
            activity=activity / activity.sum(),
            device=rng.choice(len(DEVICES), users, p=_DEVICE_SHARES),
            taste=np.sqrt(0.6) * segment_taste[segment] + np.sqrt(0.4) * own_taste,
            later_taste=rng.normal(size=(users, STYLE_WIDTH)),
            turn=rng.uniform(0.0, 0.05, users),
            category=category,
            brand=stock[category, rng.integers(_BRANDS_A_CATEGORY, size=items)],
            price=price.astype(np.float32),
            vector=vector.astype(np.float32),
            exposure=exposure / exposure.sum(),
            style_axes=axes[:, :STYLE_WIDTH],
            appeal_axis=axes[:, STYLE_WIDTH],
            category_effect=_effects(rng, categories),
            brand_effect=_effects(rng, len(BRANDS)),
            segment_category=_effects(rng, segments, categories),
            segment_brand=_effects(rng, segments, len(BRANDS)),
            device_hour=_effects(rng, len(DEVICES), HOUR_BANDS),
        )

    @functools.cached_property
    def appeal(self) -> Floats:
        """What everybody sees in the items, `[items]`."""
        return self.vector @ self.appeal_axis

    @functools.cached_property
    def style(self) -> Floats:
        """What tastes look at in the items, `[items, STYLE_WIDTH]`."""
        return self.vector @ self.style_axes

    @functools.cached_property
    def likeness_keys(self) -> npt.NDArray[np.float32]:
        """Rows whose dot products say how alike two items are, `[items, width]`.

        Half of the likeness is the category, half the cosine of the styles, which
        counts as 0 where one has no length.
        """
        length = np.linalg.norm(self.style, axis=1, keepdims=True)
        style = self.style / np.where(length > 0.0, length, 1.0)
        category = np.eye(len(CATEGORIES))[self.category]
        keys = np.concatenate([category, style], axis=1) * np.sqrt(0.5)
        return keys.astype(np.float32)


def _choose(rng: np.random.Generator, shares: Floats) -> Ints:
    """One code a row, by the row's shares `[rows, codes]`."""
    below = rng.random((len(shares), 1)) > np.cumsum(shares, axis=1)[:, :-1]
    return below.sum(axis=1)


def _effects(rng: np.random.Generator, *shape: int) -> Floats:
    table = rng.normal(size=shape)
    return (table - table.mean()) / table.std()
