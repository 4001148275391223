"""Parameters of the inner-product network."""

from clickwright.models.ctr.tower_params import Rate, TowerParams


class IPNNParams(TowerParams):
    """Parameters of IPNN.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/PNN/IPNN_frappe_x1`), which was trained with an early stop of 3.
    """

    batch_norm: bool = False
    """Whether the tower is batch-normalized."""
    dropout: Rate = 0.3
    """Share of the tower's activations dropped in training."""
