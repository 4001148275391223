"""FuxiCTR's DeepFM on Frappe; `train.py` runs this with FuxiCTR's own Python.

Such a Python, made once (FuxiCTR 2.3.10 was measured with PyTorch 2.13 for CPUs):

    python3 -m venv fuxictr && fuxictr/bin/pip install torch fuxictr==2.3.10 "polars<2"

The rows go FuxiCTR's public way: `FeatureProcessor` and `build_dataset` turn the CSV
files into Parquet, `RankDataLoader` reads them, `BaseModel.fit` trains and validates.
DeepFM is not in the package, only in the repository; it is put together here from the
package's own parts, as the repository does. Only the clocks are added.
"""

import argparse
import importlib.metadata
import json
import logging
import os
import pathlib
import resource
import time


def main() -> None:
    """Trains, and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="holds train.csv, valid.csv")
    parser.add_argument("--format", choices=("parquet", "npz"), default="parquet")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.disable(logging.WARNING)

    import torch
    from fuxictr.features import FeatureMap
    from fuxictr.preprocess import FeatureProcessor, build_dataset
    from fuxictr.pytorch.dataloaders import RankDataLoader
    from fuxictr.pytorch.layers import FactorizationMachine, FeatureEmbedding, MLP_Block
    from fuxictr.pytorch.models import BaseModel
    from fuxictr.pytorch.torch_utils import seed_everything

    class DeepFM(BaseModel):
        """A factorization machine and a tower over the same embeddings."""

        def __init__(self, feature_map: FeatureMap) -> None:
            super().__init__(
                feature_map,
                model_id="DeepFM",
                embedding_regularizer=0.05,
                net_regularizer=0,
                early_stop_patience=given.epochs,
                metrics=["logloss", "AUC"],
                model_root=str(given.folder / "models"),
                verbose=0,
            )
            os.makedirs(self.model_dir, exist_ok=True)
            self.embedding_layer = FeatureEmbedding(feature_map, 10)
            self.fm = FactorizationMachine(feature_map)
            self.mlp = MLP_Block(
                input_dim=feature_map.sum_emb_out_dim(),
                output_dim=1,
                hidden_units=[400, 400, 400],
                hidden_activations="relu",
                output_activation=None,
                dropout_rates=0.2,
                batch_norm=True,
            )
            self.compile("adam", "binary_crossentropy", 1e-3)
            self.reset_parameters()
            self.model_to_device()
            self.seconds: list[float] = []

        def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            """The probability."""
            features = self.get_inputs(inputs)
            embeddings = self.embedding_layer(features)
            logit = self.fm(features, embeddings)
            logit = logit + self.mlp(embeddings.flatten(start_dim=1))
            return {"y_pred": self.output_activation(logit)}

        def train_epoch(self, data_generator: object) -> None:
            """FuxiCTR's, without the validation that ends it."""
            self.validation = 0.0
            started = time.perf_counter()
            super().train_epoch(data_generator)
            self.seconds.append(time.perf_counter() - started - self.validation)

        def eval_step(self) -> None:
            """FuxiCTR's."""
            started = time.perf_counter()
            super().eval_step()
            self.validation += time.perf_counter() - started

    torch.set_num_threads(given.threads)
    seed_everything(2024)
    with (given.folder / "train.csv").open() as file:
        _, *fields = file.readline().strip().split(",")  # the label first
    processor = FeatureProcessor(
        feature_cols=[
            {"name": fields, "active": True, "dtype": "str", "type": "categorical"}
        ],
        label_col={"name": "label", "dtype": "float"},
        dataset_id="frappe",
        data_root=str(given.folder),
    )
    train, valid, _ = build_dataset(
        processor,
        train_data=str(given.folder / "train.csv"),
        valid_data=str(given.folder / "valid.csv"),
    )
    if given.format == "npz":
        train, valid = (_as_npz(path) for path in (train, valid))
    feature_map = FeatureMap("frappe", processor.data_dir)
    feature_map.load(processor.json_file, {"embedding_dim": 10})
    train_rows, valid_rows = RankDataLoader(
        feature_map,
        stage="train",
        train_data=train,
        valid_data=valid,
        batch_size=given.batch_size,
        shuffle=True,
        data_format=given.format,
        num_workers=given.threads,
    )
    model = DeepFM(feature_map)
    model.fit(train_rows, epochs=given.epochs, validation_data=valid_rows)
    print(
        json.dumps(
            {
                "seconds": model.seconds,
                "rows": train_rows.num_samples,
                "parameters": sum(p.numel() for p in model.parameters()),
                "rss": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                "version": f"FuxiCTR {importlib.metadata.version('fuxictr')}, "
                f"PyTorch {torch.__version__}",
            }
        )
    )


def _as_npz(path: str) -> str:
    """Writes the columns of a Parquet file as FuxiCTR's other format."""
    import numpy as np
    import pandas as pd

    frame = pd.read_parquet(path)
    npz = str(pathlib.Path(path).with_suffix(".npz"))
    np.savez(npz, **{name: frame[name].to_numpy() for name in frame.columns})
    return npz


if __name__ == "__main__":
    main()
