"""The publisher's work."""

import functools
import logging
import pathlib
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from clickwright.components.exec_properties import content_of
from clickwright.components.publisher import spec
from clickwright.components.publisher.isolated_load_test import isolated_load_test
from clickwright.components.publisher.version_store import VersionStore
from clickwright.schemas.manifest import MANIFEST_PATH

progress = logging.getLogger("clickwright.progress")


class Executor(base_executor.BaseExecutor):
    """Publishes a blessed model, or says why it does not."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Publishes the model and records what became of it.

        Args:
            input_dict: `model`, one `Model`; `model_blessing`, one `ModelBlessing` or
                none; `infra_blessing`, one `InfraBlessing` or none.
            output_dict: `pushed_model`, one `PushedModel`; its custom properties are
                set, and a published version's manifest is copied into it.
            exec_properties: as in `PublisherSpec`, all of them present.

        Raises:
            ConfigError: an execution property breaks its rule.
            DataError: the model is not a SavedModel that a server could load.
            MachineError: another publisher is at work, or the destination cannot be
                written or has no space.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(input_dict[spec.MODEL_KEY])
        blessings = input_dict.get(spec.MODEL_BLESSING_KEY) or []
        infra = input_dict.get(spec.INFRA_BLESSING_KEY) or []
        pushed = artifact_utils.get_single_instance(output_dict[spec.PUSHED_MODEL_KEY])
        pushed.set_int_custom_property(spec.PUSHED_PROPERTY, 0)

        if not blessings and exec_properties[spec.REQUIRE_BLESSING_KEY]:
            progress.info(
                "not published", extra={"detail": "no blessing: nothing published"}
            )
            return
        if not all(model_utils.is_model_blessed(blessing) for blessing in blessings):
            progress.info(
                "not published", extra={"detail": "not blessed: nothing published"}
            )
            return
        if not all(model_utils.is_infra_validated(blessing) for blessing in infra):
            progress.info(
                "not published",
                extra={"detail": "failed in the server: nothing published"},
            )
            return

        store = VersionStore(
            exec_properties[spec.DESTINATION_KEY],
            exec_properties[spec.MODEL_NAME_KEY],
            exec_properties[spec.KEEP_KEY],
        )
        signatures = content_of(exec_properties[spec.SIGNATURES_KEY])
        provenance = {
            **content_of(exec_properties[spec.PROVENANCE_KEY]),
            "model_artifact_id": str(model.id),
        }
        for blessing in blessings:
            provenance["model_blessing_artifact_id"] = str(blessing.id)
        for blessing in infra:
            provenance["infra_blessing_artifact_id"] = str(blessing.id)
        manifest = store.publish(
            pathlib.Path(path_utils.serving_model_path(model.uri)),
            provenance=provenance,
            check=functools.partial(isolated_load_test, signatures=signatures)
            if signatures
            else None,
            label=exec_properties[spec.LABEL_KEY],
        )
        version = str(manifest.version)
        copy = pathlib.Path(pushed.uri, pathlib.PurePath(MANIFEST_PATH).name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(manifest.model_dump_json(indent=1))
        pushed.set_int_custom_property(spec.PUSHED_PROPERTY, 1)
        pushed.set_string_custom_property(
            spec.PUSHED_DESTINATION_PROPERTY, store.address(manifest.version)
        )
        pushed.set_string_custom_property(spec.PUSHED_VERSION_PROPERTY, version)
