"""Parameters of the plain dense network."""

from clickwright.models.ctr.tower_params import TowerParams


class DNNParams(TowerParams):
    """Parameters of the plain dense network.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/DNN/DNN_frappe_x1`).
    """
