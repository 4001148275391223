"""Parameters of DeepFM with a product-based tower."""

from typing import ClassVar, Literal

from clickwright.models.ctr.deepfm_params import DeepFMParams
from clickwright.models.value_range import Space


class DeepFMPParams(DeepFMParams):
    """Parameters of DeepFM with a product-based tower (DeepFM-P).

    BARS has no figures of DeepFM-P: defaults are those of DeepFM on Frappe_x1.
    """

    product: Literal["inner", "outer", "both"] = "inner"
    """Products of pairs of embeddings that the tower sees."""

    SPACE: ClassVar[Space] = {
        "product": ("inner", "outer", "both"),
    }
