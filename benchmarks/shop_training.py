"""How models of the simulated shop are trained until they have settled."""

from typing import Final

SETTLING: Final = {
    "monitor": "auc_minus_logloss",
    "early_stop": 4,
    "learning_rate_decay": 0.5,
}
"""Training parameters. The shop's validation splits are small: AUC alone moves by
chance from epoch to epoch, and a training that trusts it stops early."""
