"""Parameters of every click model of a history that ends in a tower."""

from clickwright.models.ctr.tower_params import TowerParams
from clickwright.models.sequential.history_params import HistoryParams


class SequenceParams(HistoryParams, TowerParams):
    """Embeddings of a target and its history, and a tower."""
