"""What the parameters of all models have in common."""

import abc

from clickwright.schemas.strict_yaml import StrictModel


class ModelParams(StrictModel, abc.ABC):
    """Parameters of a model; every field says where its default comes from."""

    @property
    @abc.abstractmethod
    def table_width(self) -> int:
        """Floats that the model keeps for each row of an embedding table."""
