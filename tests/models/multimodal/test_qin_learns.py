import keras
import numpy as np
import pytest

from clickwright.models import registry
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.marketplace.simulator import Marketplace
from clickwright.schemas.marketplace.truth import Weights
from clickwright.schemas.model_input import ModelInput

ITEMS, PLACES = 80, 20


@pytest.mark.slow
def test_histories_and_vectors_of_a_simulated_shop_are_learned_from() -> None:
    shop = Marketplace(
        users=200,
        items=ITEMS,
        seed=7,
        weights=Weights(bias=-2.5, history=6.0, examination=0.0),
    )
    log = list(shop.log(impressions=20_000, days=5))
    item = np.concatenate([c.requests.items for c in log]) + 1  # [pages, 10]
    seen = np.concatenate([c.requests.history for c in log])[:, -PLACES:] + 1
    features = {"item": item.reshape(-1), "seen": np.repeat(seen, item.shape[1], 0)}
    clicks = np.concatenate([c.clicks for c in log]).reshape(-1)
    split = len(clicks) * 4 // 5
    train, valid = (
        InMemoryExamples({n: x[rows] for n, x in features.items()}, clicks[rows])
        for rows in (slice(split), slice(split, None))
    )
    inputs = (
        ModelInput("item", "id", "item", "item", ITEMS + 1),
        ModelInput("seen", "sequence", "user", "item", ITEMS + 1, PLACES),
        ModelInput(
            "category",
            "attribute",
            "item",
            "category",
            22,
            1,
            entity="item",
            entities=ITEMS + 1,
        ),
        ModelInput(
            "picture", "vector", "item", width=128, entity="item", entities=ITEMS + 1
        ),
    )
    category = np.append(0, shop.world.category + 1).astype(np.int32)
    vectors = np.pad(shop.world.vector, ((1, 0), (0, 0))).astype(np.float32)

    def best_auc(*without: str) -> float:
        keras.utils.set_random_seed(0)
        model = registry.build(
            "qin",
            inputs,
            {
                "embedding_dim": 8,
                "embedding_stddev": 0.05,
                "layers": 2,
                "rows": 2,
                "without": without,
            },
        )
        model.get_layer("category").fill(category[:, np.newaxis])
        model.get_layer("picture").fill(vectors)
        params = TrainingParams(
            epochs=6,
            batch_size=256,
            learning_rate=5e-3,
            early_stop=6,
            learning_rate_decay=0.5,
        )
        records = Trainer(model, params).train(train, valid)
        return max(record.valid_auc or 0.0 for record in records)

    full, without_history = best_auc(), best_auc("history")
    assert without_history > 0.7
    assert full > without_history + 0.02
