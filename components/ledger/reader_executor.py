"""LedgerReader's work."""

import logging
import pathlib
from typing import Any

from tfx import types
from tfx.components.example_gen.utils import FINGERPRINT_PROPERTY_NAME
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from clickwright.components.absence import mark_absent
from clickwright.components.ledger import reader_spec as keys
from clickwright.components.ledger.entry import MODEL, REPORT, STATISTICS
from clickwright.components.ledger.ledger import Ledger
from clickwright.components.source.prepared_files import PreparedFiles
from clickwright.schemas.errors import DataError

progress = logging.getLogger("clickwright.progress")


class ReaderExecutor(base_executor.BaseExecutor):
    """Looks up what to compare a run with."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills the outputs from the ledger; marks as absent what it has not.

        Statistics and report are the latest of other data, as
        `PreviousGoodStatistics` and `PreviousReport` resolve them from ML Metadata;
        the model is the latest blessed one, as of `Champion`, but for one of the same
        data and configuration: that is this run, repeated. `base_model` is that of
        the span which the rows of this run follow.

        Args:
            input_dict: `prepared`, one `PreparedData`.
            output_dict: one artifact each, as in `LedgerReaderSpec`.
            exec_properties: as in `LedgerReaderSpec`.

        Raises:
            DataError: the ledger is damaged, or has no model of that span.
            MachineError: the storage does not answer, or the disk takes no more.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        prepared = artifact_utils.get_single_instance(input_dict[keys.PREPARED_KEY])
        data = prepared.get_string_custom_property(FINGERPRINT_PROPERTY_NAME)
        config = exec_properties[keys.CONFIG_KEY]
        ledger = Ledger(
            exec_properties[keys.LEDGER_KEY], exec_properties[keys.NAME_KEY]
        )
        entries = ledger.entries()
        others = [entry for entry in entries if entry.data != data]
        rivals = [
            entry for entry in entries if (entry.data, entry.config) != (data, config)
        ]
        record = PreparedFiles.read(pathlib.Path(prepared.uri)).record
        parent = None if record is None else record.parent
        parents = [
            entry for entry in entries if entry.span and entry.span.span == parent
        ]
        told = []
        for key, part, choice in (
            (keys.BASELINE_STATISTICS_KEY, STATISTICS, others),
            (keys.PREVIOUS_REPORT_KEY, REPORT, others),
            (keys.BASELINE_MODEL_KEY, MODEL, rivals),
            (keys.BASE_MODEL_KEY, MODEL, parents),
        ):
            artifact = artifact_utils.get_single_instance(output_dict[key])
            found = next((entry for entry in choice if entry.holds(part)), None)
            if found is None and key == keys.BASE_MODEL_KEY and parent is not None:
                raise DataError(
                    f"These data are what a model of the span {parent} has not seen, "
                    "and the ledger has no blessed model of that span.",
                    where=ledger.storage.folder,
                    fix="run the pipeline again from SourceGen on",
                )
            if found is None:
                mark_absent(artifact)
            else:
                ledger.restore(found, part, artifact)
            told.append(f"{key} {'none' if found is None else found.number}")
        detail = ", ".join(told)
        progress.info("%s", detail, extra={"detail": detail, "fraction": 1.0})
