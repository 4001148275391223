"""Parameters of the outer-product network."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.ipnn_params import IPNNParams
from clickwright.models.value_range import Space


class OPNNParams(IPNNParams):
    """Parameters of OPNN.

    BARS has no figures of OPNN: embeddings, tower and regularization default to those
    of IPNN on Frappe_x1 (also in its early stop of 3), products and the penalty of
    their kernels to those of the authors' code.
    """

    products: Literal["pairs", "sum"] = "pairs"
    """Every pair's outer product with a kernel, or the outer product of the fields'
    sum; the authors' code dropped the latter, which is cheaper and less accurate."""
    kernel_l2: Annotated[float, Field(ge=0.0)] = 1e-5
    """Adds `kernel_l2 / 2` times the squared norm of the kernels to the loss."""

    SPACE: ClassVar[Space] = {
        "products": ("pairs", "sum"),
    }
