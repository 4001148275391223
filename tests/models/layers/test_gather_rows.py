import keras
import numpy as np
import tensorflow as tf

from clickwright.models.layers.gather_rows import gather_rows


def test_rows_come_in_the_shape_of_their_ids() -> None:
    table = keras.Variable(np.arange(8.0).reshape(4, 2))
    rows = np.array([[3, 0], [1, 3]])
    np.testing.assert_array_equal(gather_rows(table, rows), np.array(table)[rows])
    np.testing.assert_array_equal(
        gather_rows(np.array(table), rows), np.array(table)[rows]
    )


def test_neither_the_rows_nor_their_gradient_take_the_whole_table() -> None:
    table = keras.Variable(np.ones((503, 2), np.float32))

    def step(rows: tf.Tensor) -> tf.IndexedSlices:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(gather_rows(table, rows))
        return tape.gradient(total, table)

    traced = tf.function(step).get_concrete_function(tf.TensorSpec([None], tf.int32))
    assert not any(
        503 in output.shape.as_list()
        for op in traced.graph.get_operations()
        for output in op.outputs
        if output.shape.rank
    )
    gradient = step(tf.constant([5, 5]))
    assert isinstance(gradient, tf.IndexedSlices)
    np.testing.assert_array_equal(gradient.indices, [5, 5])
