"""One loaded version of a model."""

import pathlib
import threading
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
import tensorflow as tf

from clickwright.serving.server.serving_error import ServingError, code_of
from clickwright.serving.server.warmup import warm_up

DEFAULT_SIGNATURE = "serving_default"
"""What runs where a request names no signature."""
_INDEX = "variables/variables.index"


class Servable:
    """A SavedModel as a model server runs it: in a session, with feeds and fetches.

    The loader is that of TensorFlow 1, as TF Serving's is, so that what fails there
    fails here. `run` may be called from many threads at once.

    Args:
        folder: the SavedModel's.
        name: the model's.
        version: the version's number.
    """

    def __init__(self, folder: pathlib.Path, name: str, version: int) -> None:
        self.folder = folder
        self.name = name
        self.version = version
        self.signatures: Mapping[str, Any] = {}
        """`SignatureDef` of each signature, by name; empty before `load`."""
        self.warmup_seconds = 0.0
        """How long its warm-up requests took."""
        self._session: Any = None
        self._running = 0
        self._changed = threading.Condition()

    def load(self, *, warm: bool = True) -> None:
        """Reads the SavedModel, then runs its warm-up requests if it has some.

        Args:
            warm: whether to run them.

        Raises:
            ServingError: the SavedModel is not whole, or a warm-up request fails.
        """
        if not (self.folder / "saved_model.pb").is_file():
            raise ServingError(
                grpc.StatusCode.NOT_FOUND,
                "Could not find SavedModel .pb or .pbtxt at supplied export directory "
                f"path: {self.folder}",
            )
        graph = tf.Graph()
        session = tf.compat.v1.Session(graph=graph)
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(
                    session, [tf.saved_model.SERVING], str(self.folder)
                )
            if _has_variables(graph) and not (self.folder / _INDEX).is_file():
                raise ServingError(
                    grpc.StatusCode.NOT_FOUND,
                    f"The model has variables, and {self.folder / _INDEX} is missing",
                )
            self.signatures = dict(meta_graph.signature_def)
            with self._changed:
                self._session = session
            if warm:
                self.warmup_seconds = warm_up(self.folder, self.run)
        except BaseException as error:
            with self._changed:
                self._session = None
            session.close()
            if isinstance(error, Exception):
                raise _load_error(error) from error
            raise

    def run(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Collection[str] = (),
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature: its name; empty: `serving_default`.
            inputs: an array for each of the signature's inputs that has no default;
                strings are object arrays of bytes.
            outputs: what is wanted; empty: all.

        Returns:
            The wanted outputs by name.

        Raises:
            ServingError: the signature is absent; an input is missing, unknown, or of
                another type or shape than the signature's; an output is unknown or
                wanted twice; the model fails; the servable is not loaded.
        """
        definition = self.signature(signature)
        names = tuple(outputs) or tuple(sorted(definition.outputs))
        for place, name in enumerate(names):
            if name not in definition.outputs:
                raise ServingError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"output tensor alias not found in signature: {name} Outputs "
                    f"expected to be in the set {_set(definition.outputs)}.",
                )
            if name in names[:place]:
                raise ServingError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"duplicate output tensor alias: {name}",
                )
        feeds = _feeds(definition, inputs)
        with self._changed:
            session = self._session
            if session is None:
                raise ServingError(
                    grpc.StatusCode.UNAVAILABLE,
                    f"Version {self.version} of model {self.name} is not loaded",
                )
            self._running += 1
        try:
            fetches = [definition.outputs[name].name for name in names]
            found = session.run(fetches, feeds)
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise _run_error(error) from error
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
        return dict(zip(names, found, strict=True))

    def signature(self, name: str) -> Any:
        """Returns the `SignatureDef` of that name; empty: of `serving_default`.

        Raises:
            ServingError: there is none.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{name}" not found.',
            )
        return self.signatures[name]

    def close(self) -> None:
        """Waits for the calls that run, then frees the model. May be called twice."""
        with self._changed:
            session, self._session = self._session, None
            self._changed.wait_for(lambda: not self._running)
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        self.load()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _feeds(definition: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the session is fed, by tensor; refuses what the signature does not take."""
    known = definition.inputs
    missing = known.keys() - inputs.keys() - definition.defaults.keys()
    extra = inputs.keys() - known.keys()
    if missing or extra:
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"input size does not match signature: {len(inputs)}!={len(known)} "
            f"len({_set(inputs)}) != len({_set(known)}). Sent extra: {_set(extra)}. "
            f"Missing but required: {_set(missing)}.",
        )
    feeds = {}
    for name, info in known.items():
        if name not in inputs:
            feeds[info.name] = tf.make_ndarray(definition.defaults[name])
            continue
        value = inputs[name]
        wanted = tf.as_dtype(info.dtype)
        text = value.dtype.kind in "OSU"
        if text != (wanted == tf.string) or not text and value.dtype != wanted:
            found = tf.string if text else tf.as_dtype(value.dtype)
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f'input "{name}" expects to be {wanted.name} but {found.name} is '
                "provided",
            )
        shape = tf.TensorShape(info.tensor_shape)
        if not shape.is_compatible_with(value.shape):
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f'input "{name}" expects shape {_shape(shape)} but '
                f"{_shape(tf.TensorShape(value.shape))} is provided",
            )
        feeds[info.name] = value
    return feeds


def _has_variables(graph: tf.Graph) -> bool:
    kinds = ("VarHandleOp", "VariableV2", "Variable")
    return any(operation.type in kinds for operation in graph.get_operations())


def _load_error(error: Exception) -> ServingError:
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        return ServingError(code_of(error.error_code), _brief(error.message))
    # The loader's own checks: a file that cannot be read or parsed.
    return ServingError(grpc.StatusCode.DATA_LOSS, f"{type(error).__name__}: {error}")


def _run_error(error: Exception) -> ServingError:
    if isinstance(error, tf.errors.OpError):
        return ServingError(code_of(error.error_code), _brief(error.message))
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, str(error))


def _brief(message: str | None) -> str:
    """A message of TensorFlow without what only its Python side adds."""
    text = (message or "").partition("\n\nOriginal stack trace")[0]
    return text.partition("\n\nErrors may have originated")[0]


def _set(names: Collection[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _shape(shape: Any) -> str:
    if shape.rank is None:
        return "<unknown>"
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"
