"""SASRec in PyTorch, for its speed; `retrieval.py` runs this with another Python.

Such a Python, made once (PyTorch 2.13 for CPUs was measured):

    python3 -m venv torch && torch/bin/pip install torch numpy

It is the model that `models/sequential/sasrec.py` is, layer by layer, trained as there:
binary cross-entropy of each next item against one uniform negative, Adam, dropout 0.5.
Only negatives are drawn more cheaply, without a look at what the user took.
"""

import argparse
import json
import math
import pathlib
import time

MASKED = -(2.0**32) + 1.0


def main() -> None:
    """Trains, and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=pathlib.Path, help="npz: history, target, items")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--width", type=int, default=50)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()

    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    rows = np.load(given.file)
    history = torch.from_numpy(rows["history"]).long()
    target = torch.from_numpy(rows["target"]).long()
    items, length, width = int(rows["items"]), history.shape[1], given.width

    class Block(nn.Module):
        """Queries alone are normalized, and the residuals add what is normalized."""

        def __init__(self) -> None:
            super().__init__()
            self.query_norm = nn.LayerNorm(width, eps=1e-8)
            self.dense_norm = nn.LayerNorm(width, eps=1e-8)
            self.query, self.key, self.value, self.inner, self.outer = (
                nn.Linear(width, width) for _ in range(5)
            )
            self.drop = nn.Dropout(given.dropout)

        def forward(self, x, allowed, real):  # type: ignore[no-untyped-def]
            """Attends, then runs the dense network."""
            normed = self.query_norm(x)
            q, k, v = self.query(normed), self.key(x), self.value(x)
            scores = q @ k.transpose(1, 2) / math.sqrt(width)
            weights = scores.masked_fill(~allowed, MASKED).softmax(-1)
            z = self.dense_norm(self.drop(weights) @ v + normed)
            inner = self.drop(torch.relu(self.inner(z)))
            return (self.drop(self.outer(inner)) + z) * real

    class SASRec(nn.Module):
        """The states after each event."""

        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(items, width, padding_idx=0)
            self.positions = nn.Parameter(torch.randn(length, width) * 0.02)
            self.drop = nn.Dropout(given.dropout)
            self.blocks = nn.ModuleList(Block() for _ in range(given.blocks))
            self.norm = nn.LayerNorm(width, eps=1e-8)
            self.register_buffer("causal", torch.ones(length, length).tril().bool())

        def forward(self, ids):  # type: ignore[no-untyped-def]
            """Of histories, padded on the left."""
            there = ids != 0
            real = there.unsqueeze(-1).float()
            x = self.drop(self.table(ids) * math.sqrt(width) + self.positions) * real
            allowed = self.causal & there.unsqueeze(1)
            for block in self.blocks:
                x = block(x, allowed, real)
            return self.norm(x)

    model = SASRec()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-8)
    seconds, losses = [], []
    for _ in range(given.epochs):
        started, total = time.perf_counter(), 0.0
        for batch in torch.randperm(len(history)).split(given.batch_size):
            ids, following = history[batch], target[batch]
            negative = torch.randint(1, items, following.shape)
            states = model(ids)
            weights = (following != 0).float()
            positive = (states * model.table(following)).sum(-1)
            other = (states * model.table(negative)).sum(-1)
            each = functional.softplus(-positive) + functional.softplus(other)
            loss = (each * weights).sum() / weights.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        seconds.append(time.perf_counter() - started)
        losses.append(total / len(history))
    said = {"torch": torch.__version__, "seconds": seconds, "losses": losses}
    parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({**said, "parameters": parameters}))


if __name__ == "__main__":
    main()
