"""Parameters of the kernel-product network."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.ipnn_params import IPNNParams
from clickwright.models.value_range import Space


class KPNNParams(IPNNParams):
    """Parameters of KPNN.

    Kernels default to those of the authors' code. BARS has no figures of KPNN: the
    other defaults are those of IPNN on Frappe_x1 (also in its early stop of 3).
    """

    kernel: Literal["mat", "vec", "num"] = "vec"
    """A matrix, a vector or a number for each pair of fields."""
    unit_kernel: bool = False
    """Whether kernels turn embeddings without changing their norm."""
    kernel_l2: Annotated[float, Field(ge=0.0)] = 1e-5
    """Adds `kernel_l2 / 2` times the squared norm of the kernels to the loss."""

    SPACE: ClassVar[Space] = {
        "kernel": ("mat", "vec", "num"),
    }
