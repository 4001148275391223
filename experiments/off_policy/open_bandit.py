"""The Open Bandit data set: one shop's clicks under two policies at the same time."""

import pathlib

import pyarrow as pa
import pyarrow.csv

from clickwright.experiments.off_policy.decision_log import DecisionLog
from clickwright.schemas.errors import DataError

CONTEXT = ("user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3")
_NAMES = {"item_id": "action", "click": "reward", "propensity_score": "propensity"}


def read_open_bandit(folder: pathlib.Path, policy: str, campaign: str) -> DecisionLog:
    """Reads the choices of one policy in one campaign.

    A choice is the item in one of three places of the page; the place, `position`, is
    part of its context.

    Args:
        folder: holds `<policy>/<campaign>/<campaign>.csv`.
        policy: `random`, which chose evenly, or `bts`, Thompson sampling with a
            Bernoulli model, which learned all along.
        campaign: `men` or `women`.

    Raises:
        DataError: the file is absent or cannot be read.

    References:
        Saito, Aihara, Matsutani and Narita, *Open Bandit Dataset and Pipeline*, 2021.
    """
    path = folder / policy / campaign / f"{campaign}.csv"
    wanted = ("position", *_NAMES, *CONTEXT)
    options = pyarrow.csv.ConvertOptions(include_columns=list(wanted))
    try:
        table = pyarrow.csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"The log cannot be read: {' '.join(str(error).split())}.",
            where=str(path),
            fix="give the folder of the data set",
        ) from error
    names = [_NAMES.get(name, name) for name in table.column_names]
    return DecisionLog(
        table.rename_columns(names), context=("position", *CONTEXT), where=str(path)
    )
