"""Our artifact types, where TFX's containers look types up.

A compiled spec names a type by its title, `clickwright.Name`, and TFX's entry point
knows the classes of its own titles alone.
"""

from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.types import artifact
from tfx.utils import name_utils

from clickwright.components.discretizer.artifacts import DiscretizationPlan
from clickwright.components.experiment.artifacts import ExperimentDefinition
from clickwright.components.inspection.artifacts import AutoDisReport
from clickwright.components.item_table.artifacts import ItemTable
from clickwright.components.source.artifacts import PreparedData

ARTIFACT_TYPES: tuple[type[artifact.Artifact], ...] = (
    AutoDisReport,
    DiscretizationPlan,
    ExperimentDefinition,
    ItemTable,
    PreparedData,
)


def register_artifact_types() -> None:
    """Lets TFX's entry point find our classes by the titles in a compiled spec."""
    for cls in ARTIFACT_TYPES:
        compiler_utils.TITLE_TO_CLASS_PATH[cls.TYPE_NAME] = name_utils.get_full_name(
            cls
        )
