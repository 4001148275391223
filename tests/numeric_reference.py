"""Encoders of numbers written out in NumPy: one value at a time, in float64."""

import itertools
from typing import Any

import numpy as np

from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder

Array = np.ndarray[Any, Any]


def encoded_by_loops(encoder: NumericEncoder, values: Array) -> Array:
    """What the encoder's formula gives for `values`, `[B, F]`: `[B, F, D]`."""
    weights = {
        w.path.rpartition("/")[2]: np.array(w, np.float64) for w in encoder.weights
    }
    return np.array(
        [
            [_one(encoder, f, float(x), weights) for f, x in enumerate(row)]
            for row in values
        ]
    )


def soft_choice(encoder: NumericEncoder, f: int, x: float, w: dict[str, Array]) -> Any:
    """The weights of AutoDis' own meta-embeddings, before any aggregation."""
    e = encoder.encodings[f]
    bins = e.meta_embeddings
    h = x * w["first"][f, :bins]
    if e.use_bias:
        h = h + w["first_bias"][f, :bins]
    if e.form == "full":
        h = np.where(h > 0, h, e.slope * h)
        v = h @ w["second"][f, :bins, :bins] + e.skip * h
        if e.use_bias:
            v = v + w["second_bias"][f, :bins]
    else:
        v = h
    match e.temperature_mode:
        case "constant":
            temperature = e.temperature
        case "learned":
            temperature = np.exp(w["log_temperature"][f, 0])
        case "annealed":
            start = max(1.0, e.temperature)
            share = float(w["steps"]) / 1000
            temperature = start ** (1 - share) * e.temperature**share
    exponentials = np.exp((v - v.max()) / temperature)
    return exponentials / exponentials.sum()


def _one(encoder: NumericEncoder, f: int, x: float, w: dict[str, Array]) -> Any:
    e = encoder.encodings[f]
    if e.kind == "buckets":
        first = sum(len(o.boundaries) + 1 for o in encoder.encodings[:f])
        if np.isnan(x):
            return w["table"][len(w["table"]) - len(encoder.names) + f]
        return w["table"][first + sum(b <= x for b in e.boundaries)]
    if e.kind == "piecewise_linear":
        first = sum(len(o.boundaries) for o in encoder.encodings[:f])
        if np.isnan(x):
            return w["table"][len(w["table"]) - len(encoder.names) + f]
        rows = w["table"][first : first + len(e.boundaries)]
        return [np.interp(x, e.boundaries, column) for column in rows.T]
    if np.isnan(x):
        return w["missing"][f]
    match e.kind:
        case "autodis":
            a = soft_choice(encoder, f, x, w)
            if e.aggregation != "weighted":
                keep = 1 if e.aggregation == "max" else e.top_k
                a[np.argsort(a)[: max(0, len(a) - keep)]] = 0.0
                a = a / a.sum()
            return a @ w["meta_embeddings"][f, : len(a)]
        case "log_linear":
            slog = np.sign(x) * np.log(1 + abs(x))
            return (slog - e.shift) / e.width * w["factors"][f] + w["offsets"][f]
        case "periodic":
            phases = 2 * np.pi * w["frequencies"][f] * x
            waves = np.concatenate([np.sin(phases), np.cos(phases)])
            return np.maximum(waves @ w["kernel"][f] + w["bias"][f], 0.0)
        case "mlp":
            hidden = np.maximum(x * w["first"][f] + w["first_bias"][f], 0.0)
            return hidden @ w["kernel"][f] + w["bias"][f]
        case _:
            return _nary(e, x, w["rows"][f], w["queries"][f])


def _nary(e: Any, x: float, rows: Array, queries: Array) -> Any:
    u = min(max((x - e.low) / (e.high - e.low), 0.0), 1.0)
    start, of_systems = 0, []
    for s, (base, digits) in enumerate(zip(e.bases, e.digits, strict=True)):
        y = u * (base**digits - 1)
        below = int(min(np.floor(y), base**digits - 2))
        of_places = []
        for place in range(digits):
            own = rows[start : start + base]
            low, high = (n // base**place % base for n in (below, below + 1))
            of_places.append((1 - (y - below)) * own[low] + (y - below) * own[high])
            start += base
        of_systems.append(_attended(np.array(of_places), queries[s]))
    return _attended(np.array(of_systems), queries[-1])


def _attended(vectors: Array, query: Array) -> Any:
    scores = np.exp(vectors @ query)
    return (scores / scores.sum()) @ vectors


def bins_by_loops(encoder: NumericEncoder, values: Array) -> Array:
    """`assignments` of encoders with boundaries, `[B, F, K]`."""
    sizes = [len(e.boundaries) + (e.kind == "buckets") for e in encoder.encodings]
    found = np.zeros((*values.shape, max(sizes)))
    for (b, f), x in np.ndenumerate(values):
        e = encoder.encodings[f]
        if np.isnan(x):
            continue
        if e.kind == "buckets":
            found[b, f, sum(y <= x for y in e.boundaries)] = 1.0
            continue
        x = min(max(x, e.boundaries[0]), e.boundaries[-1])
        for n, (low, high) in enumerate(itertools.pairwise(e.boundaries)):
            if low <= x <= high:
                t = (x - low) / (high - low)
                found[b, f] = 0.0
                found[b, f, n : n + 2] = 1 - t, t
    return found
