"""One loaded version of a model."""

import pathlib
import threading
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from clickwright.serving.server.serving_error import ServingError, code_of
from clickwright.serving.server.warmup import warm_up

DEFAULT_SIGNATURE = "serving_default"
"""What runs where a request names no signature."""
_MAX_CALLS = 128


class Servable:
    """A SavedModel as a model server runs it: in a session, with feeds and fetches.

    The loader is that of TensorFlow 1, as TF Serving's is, so that what fails there
    fails here. `run` may be called from many threads at once.

    Args:
        folder: the SavedModel's.
        name: the model's.
        version: the version's number.
        inter_op_threads: operations of a request that run at the same time; 0: one.
    """

    def __init__(
        self, folder: pathlib.Path, name: str, version: int, inter_op_threads: int = 0
    ) -> None:
        self.folder = folder
        self.name = name
        self.version = version
        self.signatures: Mapping[str, Any] = {}
        """`SignatureDef` of each signature, by name; empty before `load`."""
        self.warmup_seconds = 0.0
        """How long its warm-up requests took."""
        self._inputs: dict[str, list[_Input]] = {}
        # Threads of its own: a version that loads takes none from those that answer.
        # They have the priority of the thread that makes the session, which is this
        # one; the one that loads may have a lower one.
        self._made = tf.compat.v1.Session(
            graph=tf.Graph(),
            config=tf.compat.v1.ConfigProto(
                use_per_session_threads=True,
                inter_op_parallelism_threads=inter_op_threads,
            ),
        )
        self._on_this_thread = not inter_op_threads
        self._session: Any = None
        self._calls: dict[tuple[str, tuple[str, ...]], Callable[..., list]] = {}
        # Python no longer can free them when it is about to end.
        weakref.finalize(self, self._calls.clear)
        self._running = 0
        self._changed = threading.Condition()

    def load(self, *, warm: bool = True) -> None:
        """Reads the SavedModel, then runs its warm-up requests if it has some.

        It may be called once.

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
        session = self._made
        try:
            with session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(
                    session, [tf.saved_model.SERVING], str(self.folder)
                )
            self.signatures = dict(meta_graph.signature_def)
            self._inputs = {n: _inputs_of(x) for n, x in self.signatures.items()}
            with self._changed:
                self._session = session
            if warm:
                self.warmup_seconds = warm_up(self.folder, self.run)
        except BaseException as error:
            with self._changed:
                self._session = None
            self._calls.clear()
            session.close()
            if isinstance(error, Exception):
                raise _error(error) from error
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
        signature = signature or DEFAULT_SIGNATURE
        definition = self.signature(signature)
        names = tuple(sorted(outputs or definition.outputs))
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
        feeds = _feeds(self._inputs[signature], inputs)
        with self._changed:
            session = self._session
            if session is None:
                raise ServingError(
                    grpc.StatusCode.UNAVAILABLE,
                    f"Version {self.version} of model {self.name} is not loaded",
                )
            self._running += 1
        try:
            found = self._call(session, signature, names)(*feeds)
        except tf.errors.OpError as error:
            raise _error(error) from error
        except UnicodeDecodeError as error:
            # TensorFlow's message quotes bytes of the request, and its code is lost.
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT, error.object.decode(errors="replace")
            ) from error
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

    def _call(
        self, session: Any, signature: str, outputs: tuple[str, ...]
    ) -> Callable[..., list[np.ndarray]]:
        """The session's function from a signature's inputs to some of its outputs."""
        found = self._calls.get((signature, outputs))
        if found is None:
            known = self.signatures[signature].outputs
            options = config_pb2.CallableOptions(
                feed=[each.tensor for each in self._inputs[signature]],
                fetch=[known[name].name for name in outputs],
            )
            if self._on_this_thread:
                # Handing hundreds of small operations from thread to thread costs more
                # than running two of them at a time gains.
                options.run_options.inter_op_thread_pool = -1
            # `Session.run` looks every feed up and checks it again: some 25 us each.
            found = session._make_callable_from_options(options)
            if len(self._calls) >= _MAX_CALLS:
                self._calls.clear()
            self._calls[signature, outputs] = found
        return found

    def close(self) -> None:
        """Waits for the calls that run, then frees the model. May be called twice."""
        with self._changed:
            session, self._session = self._session, None
            self._changed.wait_for(lambda: not self._running)
        self._calls.clear()  # they hold on to the session
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


class _Input:
    """What a signature takes for one of its inputs."""

    def __init__(self, name: str, info: Any, default: Any) -> None:
        self.name = name
        self.tensor = info.name
        self._wanted = tf.as_dtype(info.dtype)
        self._dtype = None if self._wanted == tf.string else self._wanted.as_numpy_dtype
        shape = tf.TensorShape(info.tensor_shape)
        self._shape = None if shape.rank is None else tuple(shape)
        self.default = default

    def checked(self, value: np.ndarray) -> np.ndarray:
        """Returns the value if it has the signature's type and shape."""
        text = value.dtype.kind in "OSU"
        if not text if self._dtype is None else value.dtype != self._dtype:
            found = tf.string if text else tf.as_dtype(value.dtype)
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f'input "{self.name}" expects to be {self._wanted.name} but '
                f"{found.name} is provided",
            )
        if self._shape is not None and (
            len(value.shape) != len(self._shape)
            or any(
                wanted not in (None, size)
                for wanted, size in zip(self._shape, value.shape, strict=True)
            )
        ):
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f'input "{self.name}" expects shape {_text(self._shape)} but '
                f"{_text(value.shape)} is provided",
            )
        return value


def _inputs_of(definition: Any) -> list[_Input]:
    defaults = {n: tf.make_ndarray(x) for n, x in definition.defaults.items()}
    return [
        _Input(name, definition.inputs[name], defaults.get(name))
        for name in sorted(definition.inputs)
    ]


def _feeds(
    known: Sequence[_Input], inputs: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """What the session is fed, in order; refuses what the signature does not take."""
    names = {each.name for each in known}
    missing = {x.name for x in known if x.default is None} - inputs.keys()
    extra = inputs.keys() - names
    if missing or extra:
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"input size does not match signature: {len(inputs)}!={len(known)} "
            f"len({_set(inputs)}) != len({_set(names)}). Sent extra: {_set(extra)}. "
            f"Missing but required: {_set(missing)}.",
        )
    return [
        each.checked(inputs[each.name]) if each.name in inputs else each.default
        for each in known
    ]


def _error(error: Exception) -> ServingError:
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        return ServingError(code_of(error.error_code), _brief(error.message))
    # The loader's own checks: a file that cannot be read or parsed.
    return ServingError(grpc.StatusCode.DATA_LOSS, f"{type(error).__name__}: {error}")


def _brief(message: str | None) -> str:
    """A message of TensorFlow without what only its Python side adds."""
    return (message or "").partition("\n\nOriginal stack trace")[0]


def _set(names: Collection[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _text(shape: Sequence[int | None]) -> str:
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"
