"""Which versions of a model are served, and under which labels."""

import dataclasses
import datetime
import logging
from collections.abc import Collection

import pydantic
from tensorflow_serving.config.model_server_config_pb2 import (
    ModelConfig,
    ModelServerConfig,
)

from clickwright.components.publisher.release_record import (
    CANARY,
    CURRENT_FILE_NAME,
    LONGEST_HISTORY,
    STABLE,
    Action,
    Change,
    Label,
    ReleaseRecord,
)
from clickwright.components.publisher.storage import Storage
from clickwright.schemas.errors import DataError, MachineError
from clickwright.schemas.serving_files import MODEL_CONFIG_FILE
from clickwright.serving.server.model_config import (
    PLATFORM,
    format_model_config,
    models,
    parse_model_config,
)
from clickwright.serving.server.version_policy import wanted

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ReleaseBook:
    """Labels of one model, kept where the model server reads them.

    The server's config file is the truth, and each change replaces it whole. It lists
    the versions with a label and the one that a rollback would go to. So the version
    that a label moves to is loaded before the label moves, and the one before stays
    loaded: TF Serving gives labels to loaded versions only. A request without version
    or label gets the newest loaded version, which is the one on trial while there is
    one.

    Other models of the file, other labels, a base path that differs from ours (a
    container's) and a policy to serve all versions are left as they are.

    Attributes:
        storage: where the model's versions are.
        model_name: name under which the model server offers the model.
    """

    storage: Storage
    model_name: str

    def labels(self) -> dict[str, int]:
        """The labels of the model and their versions."""
        entry = models(self._config()).get(self.model_name)
        return dict(sorted(entry.version_labels.items())) if entry else {}

    def served(self, versions: Collection[int]) -> set[int]:
        """Those of `versions` that a server has loaded, or is told to load."""
        entry = models(self._config()).get(self.model_name)
        if entry is None:
            return set()
        labelled = set(entry.version_labels.values()) & set(versions)
        return labelled | wanted(entry.model_version_policy, versions, ())

    def record(self) -> ReleaseRecord:
        """What was released so far, brought in line with the config file.

        Raises:
            DataError: the record is damaged.
        """
        name = f"{self.model_name}/{CURRENT_FILE_NAME}"
        text = self.storage.read(name)
        if text is None:
            record = ReleaseRecord(model_name=self.model_name)
        else:
            try:
                record = ReleaseRecord.model_validate_json(text)
            except pydantic.ValidationError as error:
                raise DataError(
                    f"`{name}` cannot be read: {' '.join(str(error).split())}.",
                    where=self.storage.root,
                    fix="remove the file: what is served does not depend on it",
                ) from error
        labels = self.labels()
        # The file was changed by hand, or a writer ended between its two files.
        return _moved(record, labels, undo=labels.get(STABLE) in record.previous)

    def before(self, versions: Collection[int]) -> int | None:
        """The version that a rollback goes to; None where there is none."""
        return _last(self.record().previous, versions)

    def assign(
        self,
        label: Label,
        version: int,
        versions: Collection[int],
        action: Action,
    ) -> dict[str, int]:
        """Moves a label to a version, in one change of the config file.

        The first version becomes stable whatever its label. A canary older than a new
        stable version moves along; on a rollback any canary does.

        Args:
            label: the label.
            version: one of `versions`.
            versions: the versions that there are.
            action: what the record says of the change.

        Returns:
            The labels as they are now.

        Raises:
            ConfigError: the config file is damaged; it is left as it is.
        """
        with self.storage.change_root():
            config, record = self._config(), self.record()
            entry = models(config).get(self.model_name)
            if entry is None:
                entry = config.model_config_list.config.add(
                    name=self.model_name,
                    base_path=self.storage.folder,
                    model_platform=PLATFORM,
                )
            labels = dict(entry.version_labels)
            if STABLE not in labels:
                label = STABLE
            labels[label] = version
            if (
                label == STABLE
                and CANARY in labels
                and (labels[CANARY] < version or action == "rollback")
            ):
                labels[CANARY] = version
            if labels == dict(entry.version_labels):
                return dict(sorted(labels.items()))
            before = record.version
            record = _moved(record, labels, undo=action == "rollback")
            beside = {before, _last(record.previous, versions)}
            # A newer one than the stable one would get what names no version.
            older = {v for v in versions if v in beside and v < labels[STABLE]}
            served = older | set(labels.values())
            self._write(config, entry, labels, served)
            change = Change(
                at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                action=action,
                label=label,
                version=version,
            )
            history = (*record.history, change)[-LONGEST_HISTORY:]
            record = record.model_copy(update={"history": history})
            try:
                self.storage.write(
                    f"{self.model_name}/{CURRENT_FILE_NAME}",
                    record.model_dump_json(indent=1) + "\n",
                )
            except (OSError, MachineError) as error:
                # The release is done; the next one brings the record up to date.
                log.warning("The release cannot be recorded: %s", error)
            return dict(sorted(labels.items()))

    def _write(
        self,
        config: ModelServerConfig,
        entry: ModelConfig,
        labels: dict[str, int],
        served: Collection[int],
    ) -> None:
        entry.version_labels.clear()
        entry.version_labels.update(labels)
        policy = entry.model_version_policy
        if policy.WhichOneof("policy_choice") != "all":
            policy.specific.versions[:] = sorted(served)
        self.storage.write(MODEL_CONFIG_FILE, format_model_config(config))

    def _config(self) -> ModelServerConfig:
        text = self.storage.read(MODEL_CONFIG_FILE)
        where = f"{self.storage.root}/{MODEL_CONFIG_FILE}"
        return ModelServerConfig() if text is None else parse_model_config(text, where)


def _moved(
    record: ReleaseRecord, labels: dict[str, int], *, undo: bool
) -> ReleaseRecord:
    """The record with these labels; `undo` goes back to an earlier stable version."""
    stable, previous = labels.get(STABLE), record.previous
    if stable != record.version:
        if undo and stable in previous:
            previous = previous[: previous.index(stable)]
        else:
            before = () if record.version is None else (record.version,)
            previous = (*(v for v in previous if v != stable), *before)
    return record.model_copy(
        update={"version": stable, "labels": labels, "previous": previous}
    )


def _last(previous: tuple[int, ...], versions: Collection[int]) -> int | None:
    return next((v for v in reversed(previous) if v in versions), None)
