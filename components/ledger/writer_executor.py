"""LedgerWriter's work."""

import logging
import pathlib
from typing import Any

from tfx import types
from tfx.components.example_gen.utils import FINGERPRINT_PROPERTY_NAME
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from clickwright.components.ledger import reader_spec, writer_spec
from clickwright.components.ledger.entry import MODEL, REPORT, STATISTICS
from clickwright.components.ledger.ledger import Ledger
from clickwright.components.source.prepared_files import PreparedFiles

progress = logging.getLogger("clickwright.progress")


class WriterExecutor(base_executor.BaseExecutor):
    """Keeps what later runs compare with."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Adds an entry: statistics, the report, and the model if it was blessed.

        Args:
            input_dict: as in `LedgerWriterSpec`; `infra_blessing` and `report`, one,
                none, or absent.
            output_dict: empty.
            exec_properties: as in `LedgerWriterSpec`.

        Raises:
            MachineError: another run is writing, or the storage cannot be written.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        prepared = artifact_utils.get_single_instance(
            input_dict[reader_spec.PREPARED_KEY]
        )
        kept = {STATISTICS: input_dict[writer_spec.STATISTICS_KEY]}
        if input_dict.get(writer_spec.REPORT_KEY):
            kept[REPORT] = input_dict[writer_spec.REPORT_KEY]
        infra = input_dict.get(writer_spec.INFRA_BLESSING_KEY, [])
        if all(
            model_utils.is_model_blessed(blessing)
            for blessing in input_dict[writer_spec.MODEL_BLESSING_KEY]
        ) and all(model_utils.is_infra_validated(blessing) for blessing in infra):
            kept[MODEL] = input_dict[writer_spec.MODEL_KEY]
        record = PreparedFiles.read(pathlib.Path(prepared.uri)).record
        if record is not None:
            state = "blessed" if MODEL in kept else "not_blessed"
            record = record.model_copy(update={"state": state})
        ledger = Ledger(
            exec_properties[reader_spec.LEDGER_KEY],
            exec_properties[reader_spec.NAME_KEY],
            exec_properties[writer_spec.KEEP_KEY],
        )
        number = ledger.add(
            {
                part: artifact_utils.get_single_instance(artifacts)
                for part, artifacts in kept.items()
            },
            data=prepared.get_string_custom_property(FINGERPRINT_PROPERTY_NAME),
            config=exec_properties[reader_spec.CONFIG_KEY],
            span=record,
        )
        detail = f"entry {number}: {', '.join(kept)}"
        progress.info("%s", detail, extra={"detail": detail, "fraction": 1.0})
