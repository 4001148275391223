"""Parameters of DeepFM."""

from clickwright.models.ctr.tower_params import TowerParams


class DeepFMParams(TowerParams):
    """Parameters of DeepFM with a dense tower (DeepFM-D).

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/DeepFM/DeepFM_frappe_x1`).
    """

    @property
    def table_width(self) -> int:
        """One embedding and one first-order weight."""
        return self.embedding_dim + 1
