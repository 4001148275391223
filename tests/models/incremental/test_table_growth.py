"""Which rows of an old table those of a larger one start from."""

import numpy as np
import pytest
import tensorflow as tf

from clickwright.models.incremental.row_layout import RowLayout, Segment
from clickwright.models.incremental.table_growth import TableGrowth
from clickwright.schemas.errors import ConfigError


def test_new_values_start_from_the_rows_that_lookups_gave_them() -> None:
    old, new = ["a", "b", "c"], ["a", "b", "c", "é", "e", "f", "g", "h"]
    growth = TableGrowth.of(old, new, 4)
    table = tf.lookup.StaticVocabularyTable(
        tf.lookup.KeyValueTensorInitializer(old, tf.range(3, dtype=tf.int64)), 4
    )
    expected = [0, *(1 + table.lookup(tf.constant(new)).numpy()), 4, 5, 6, 7]
    assert growth.source.tolist() == expected
    assert len(set(expected[4:9])) > 1
    assert growth.new.tolist() == [False] * 4 + [True] * 5 + [False] * 4
    assert growth.old_rows == 8 and growth.changed


def test_values_are_found_wherever_they_stand() -> None:
    growth = TableGrowth.of(["a", "b", "c"], ["c", "x", "a"], 1)
    assert growth.source.tolist() == [0, 3, 4, 1, 4]
    assert growth.new.tolist() == [False, False, True, False, False]


def test_the_same_vocabulary_is_no_growth() -> None:
    assert not TableGrowth.of(["a", "b"], ["a", "b"], 2).changed
    layout = RowLayout([Segment("t", 5)])
    assert layout.grown({"t": TableGrowth.of(["a", "b"], ["a", "b"], 2)}) is None


def test_tables_in_one_variable_move_past_each_other() -> None:
    tables = {
        "s": TableGrowth.of(["a"], ["a", "b"], 1),
        "t": TableGrowth.of(["x", "y"], ["x", "y", "z"], 1),
    }
    layout = RowLayout(
        [
            Segment("s", 4),
            Segment(None, 2),
            Segment("t", 6, tail=1, shared=True),
            Segment("hashed", 3, compressed=True),
        ]
    )
    rows = layout.grown(tables)
    assert rows is not None and rows.old_rows == 3 + 2 + 5 + 3
    # The new id of the second starts from the row of ids seen seldom.
    assert rows.source.tolist() == [0, 1, 2, 2, 3, 4, 5, 6, 7, 9, 8, 9, 10, 11, 12]
    assert np.flatnonzero(rows.new).tolist() == [2, 9]
    with pytest.raises(ConfigError, match="`s` has grown, and its table is compressed"):
        RowLayout([Segment("s", 4, compressed=True)]).grown(tables)
