import numpy as np
import pytest

from clickwright.models.layers.pack_history import pack_history

IDS = np.array([[0, 3, 0, 1, 2], [5, 4, 0, 0, 0], [0, 0, 0, 0, 0], [1, 2, 3, 4, 5]])
LEFT = np.array([[0, 0, 3, 1, 2], [0, 0, 0, 5, 4], [0, 0, 0, 0, 0], [1, 2, 3, 4, 5]])
RIGHT = np.array([[3, 1, 2, 0, 0], [5, 4, 0, 0, 0], [0, 0, 0, 0, 0], [1, 2, 3, 4, 5]])


@pytest.mark.parametrize(("side", "want"), [("left", LEFT), ("right", RIGHT)])
def test_padding_goes_to_one_side_wherever_it_was(side, want) -> None:  # type: ignore[no-untyped-def]
    vectors = np.stack([IDS * 2.0, IDS * 3.0], axis=-1).astype(np.float32)
    ids, times, moved = pack_history(IDS, side, IDS * 10, vectors)
    np.testing.assert_array_equal(ids, want)
    np.testing.assert_array_equal(times, want * 10)
    np.testing.assert_array_equal(moved[..., 1], want * 3.0)
