import numpy as np

from clickwright.models.layers.mean_probability_logit import mean_probability_logit


def test_it_is_the_logit_of_the_mean() -> None:
    logits = np.random.default_rng(1).normal(0, 4, (50, 3))
    mean = (1 / (1 + np.exp(-logits))).mean(1)
    got = mean_probability_logit(logits.astype(np.float32))
    np.testing.assert_allclose(got, np.log(mean / (1 - mean)), rtol=1e-4, atol=1e-5)


def test_it_holds_where_probabilities_round_to_one() -> None:
    got = mean_probability_logit(np.array([[90.0, 80.0], [-80.0, -90.0]], np.float32))
    want = 80.0 + np.log(2 / (1 + np.exp(-10.0)))
    np.testing.assert_allclose(got, [want, -want], rtol=1e-6)


def test_one_logit_is_its_own_mean() -> None:
    logits = np.array([[-3.0], [0.0], [0.25]], np.float32)
    np.testing.assert_allclose(mean_probability_logit(logits), logits[:, 0], atol=1e-6)
