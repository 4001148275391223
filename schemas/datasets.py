"""The data sets that come with the product, by name."""

from clickwright.schemas.adult.source import AdultSource
from clickwright.schemas.beauty.source import BeautySource
from clickwright.schemas.collm_ml1m.source import CollmMl1mSource
from clickwright.schemas.criteo_8k.source import Criteo8kSource
from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.frappe.source import FrappeSource
from clickwright.schemas.marketplace.source import MarketplaceSource
from clickwright.schemas.movielens.source import MovielensSource
from clickwright.schemas.source import Source
from clickwright.schemas.tiktok.source import TiktokSource
from clickwright.schemas.toys.source import ToysSource

SOURCES: dict[str, type[Source]] = {
    source.name: source
    for source in (
        AdultSource,
        BeautySource,
        CollmMl1mSource,
        Criteo8kSource,
        FrappeSource,
        MarketplaceSource,
        MovielensSource,
        TiktokSource,
        ToysSource,
    )
}


def source_class(name: str) -> type[Source]:
    """Returns the source of a data set.

    Raises:
        ConfigError: no data set has that name.
    """
    if name not in SOURCES:
        raise ConfigError(
            f"Unknown data set `{name}`.{did_you_mean(name, SOURCES)}",
            fix=f"use one of {', '.join(sorted(SOURCES))}",
        )
    return SOURCES[name]
