"""Soft digits in several number systems."""

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder, softmax


@keras.saving.register_keras_serializable(package="clickwright")
class Nary(NumericEncoder):
    """Attends to the soft digits of a value in several number systems.

    In a system of base `n` with `m` digits, a value is the real number
    `y = u (n^m - 1)`, `u = (x - low) / (high - low)` cut to 0 .. 1. Its soft digit at
    place `i` weighs the digits `0 .. n - 1`: `1 - f` goes to the digit of `floor(y)` at
    that place, `f` to that of `floor(y) + 1`, with `f = y - floor(y)`. So a whole `y`
    has hard digits, and between two whole ones the code moves on a line: it is
    continuous in `x`. Coarse places tell ranges apart, fine ones neighbours.

    Every digit of every place of every system has a row `[D]`, `R = sum_s n_s m_s` of
    them a field, and `e_si` is the mix of the rows of a place by its soft digit. Two
    attentions, with queries `q_s` and `q` of the field's own, put them together:

    * within a system, `e_s = sum_i a_si e_si`, `a_s = softmax_i(<q_s, e_si>)`;
    * between systems, `e = sum_s b_s e_s`, `b = softmax_s(<q, e_s>)`.

    Both are linear in the code but for their weights, so that the rows are mixed only
    once. With the embeddings of missing values, `F D (R + S + 2)` parameters, `S` the
    number of systems. Digits and attention are float32.

    Args:
        names: see `NumericEncoder`, as all arguments.

    Input shape:
        `[batch, F]`, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no fields, encodings that do not belong together, or a
            number system with more than 65,536 numbers.

    References:
        After the idea of Chen et al., Numerical Feature Representation with Hybrid
        N-ary Encoding, CIKM 2022 (NaryDis): codes in several number systems,
        attention within and between them. How digits are softened and the form of the
        attentions are settled here; its self-supervised loss is left out.
    """

    kind = "nary"
    per_field = frozenset({"low", "high"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shared = self.encodings[0]
        systems = list(zip(shared.bases, shared.digits, strict=True))
        largest = max(base**digits for base, digits in systems)
        if largest > 65_536:  # more, and float32 blurs the digits
            raise ValueError(
                "`bases` to the power of their `digits` must be at most 65536. "
                f"Received: {largest}"
            )
        # One entry a place, all systems one after the other; then one a row.
        places = [
            (s, base, base**place, base**digits - 1)
            for s, (base, digits) in enumerate(systems)
            for place in range(digits)
        ]
        system, base, unit, top = (np.array(p) for p in zip(*places, strict=True))
        place = np.repeat(np.arange(len(places)), base)  # [R]
        digit = np.concatenate([np.arange(b) for b in base])  # [R]
        unit = unit[place]
        self._top = top[place].astype(np.float32)
        self._half = ((unit + 1) / 2).astype(np.float32)
        self._centre = (digit * unit + (unit - 1) / 2).astype(np.float32)
        self._period = (base[place] * unit).astype(np.float32)
        self._row_system = system[place]
        self._systems = len(systems)
        self._starts = [0, *itertools.accumulate(shared.digits)]
        # Which place, and which system, a row belongs to, as matrices of 0 and 1.
        self._in_place = np.eye(len(places), dtype=np.float32)[place]  # [R, P]
        self._in_system = np.eye(len(systems), dtype=np.float32)[self._row_system]
        low = np.array([e.low for e in self.encodings])
        high = np.array([e.high for e in self.encodings])
        self._low = low.astype(np.float32)  # [F]
        self._slope = (1.0 / (high - low)).astype(np.float32)

    def build(self, input_shape: Any) -> None:
        """Makes the rows, `[F, R, D]`, and the queries."""
        super().build(input_shape)
        fields = len(self.names)
        self.rows = self.add_embeddings("rows", (fields, len(self._top), self.width))
        self.queries = self.add_embeddings(
            "queries", (fields, self._systems + 1, self.width)
        )

    def encode(self, x: Any, training: bool | None) -> Any:
        """Weighs the rows by digits and attention, and mixes them."""
        code = self.code(x)  # [F, B, R]
        # <q_s, row> and <q, row>; the queries of systems come first.
        products = ops.einsum("fsd,frd->fsr", self.queries, self.rows)  # [F, S + 1, R]
        within = ops.sum(products[:, :-1] * self._in_system.T, axis=1, keepdims=True)
        scores = ops.matmul(code * within, self._in_place)  # [F, B, P]
        by_place = ops.concatenate(
            [
                softmax(scores[:, :, start:stop])
                for start, stop in itertools.pairwise(self._starts)
            ],
            axis=-1,
        )
        weights = code * ops.matmul(by_place, self._in_place.T)  # [F, B, R]
        scores = ops.matmul(weights * products[:, -1:], self._in_system)  # [F, B, S]
        by_system = softmax(scores)
        weights = weights * ops.matmul(by_system, self._in_system.T)
        return self.mix(weights, self.rows)

    def code(self, x: Any) -> Any:
        """The soft digits of all places side by side, `[F, batch, R]`."""
        u = ops.clip((x - self._low) * self._slope, 0.0, 1.0)  # [B, F]
        # A digit weighs 1 on its `unit` numbers and falls to 0 over one more on both
        # sides; it comes again after `base * unit` numbers.
        off = self.by_field(u) * self._top - self._centre  # [F, B, R]
        off = off - self._period * ops.round(off / self._period)
        return ops.clip(self._half - ops.abs(off), 0.0, 1.0)
