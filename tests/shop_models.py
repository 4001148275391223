"""Models of the simulated shop that take seconds to make, published on trial."""

import pathlib

import numpy as np
import tensorflow as tf

from clickwright.components.publisher.release_record import CANARY, STABLE, Label
from clickwright.components.publisher.version_store import VersionStore
from clickwright.schemas.marketplace.simulator import Marketplace
from clickwright.schemas.marketplace.source import MarketplaceOptions


def publish_arms(root: pathlib.Path, options: MarketplaceOptions) -> dict[str, int]:
    """Publishes two versions, and returns them by label.

    `stable` ranks the items by chance, `canary` by what everybody likes in them.
    """
    world = Marketplace(options.users, options.items, options.seed).world
    liked = world.appeal + world.category_effect[world.category]
    chance = np.random.default_rng(0).random(options.items)
    store = VersionStore(root, "marketplace")
    found: dict[str, int] = {}
    arms: tuple[tuple[Label, np.ndarray], ...] = ((STABLE, chance), (CANARY, liked))
    for label, scores in arms:
        folder = root.parent / label
        _write(folder, scores)
        manifest = store.publish(folder, provenance={"table": label}, label=label)
        found[label] = manifest.version
    return found


def _write(folder: pathlib.Path, scores: np.ndarray) -> None:
    """A SavedModel that knows a score for each item."""
    module = tf.Module()
    module.table = tf.constant(1 / (1 + np.exp(-scores)), tf.float32)

    def score(user: tf.Tensor, item: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probability": tf.gather(module.table, item)}

    signatures = {
        name: tf.function(score).get_concrete_function(
            user=tf.TensorSpec([users], tf.int64, name="user"),
            item=tf.TensorSpec([None], tf.int64, name="item"),
        )
        for name, users in (("predict_raw", None), ("rank", 1))
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)
