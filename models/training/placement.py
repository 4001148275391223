"""Where a training runs, and in which arithmetic."""

import contextlib
import functools
from collections.abc import Iterator

import keras
import tensorflow as tf

from clickwright.models.training.fit_params import FitParams
from clickwright.schemas.errors import ConfigError


@contextlib.contextmanager
def placement(params: FitParams) -> Iterator[None]:
    """Models and trainers made inside run as the parameters say.

    Device, strategy and Keras' dtype policy hold inside alone.

    Raises:
        ConfigError: there is no device of the kind asked for.
    """
    devices = check_device(params)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(params.precision)
    try:
        with contextlib.ExitStack() as stack:
            if _mirrors(params):
                stack.enter_context(_mirrored(tuple(devices)).scope())
            elif (device := default_device(params)) is not None:
                stack.enter_context(tf.device(device))
            yield
    finally:
        keras.config.set_dtype_policy(before)


def default_device(params: FitParams) -> str | None:
    """The device of all work; None where TensorFlow or the strategy chooses."""
    return "/CPU:0" if params.device == "cpu" and not _mirrors(params) else None


def _mirrors(params: FitParams) -> bool:
    return params.strategy == "mirrored" and len(check_device(params)) > 1


def check_device(params: FitParams) -> list[str]:
    """Names of the devices that the parameters ask for.

    Raises:
        ConfigError: there is none of the kind.
    """
    found = {
        kind: [device.name for device in tf.config.list_logical_devices(kind.upper())]
        for kind in ("cpu", "gpu")
    }
    if params.device == "gpu" and not found["gpu"]:
        raise ConfigError(
            "`device: gpu` asks for a GPU, and TensorFlow finds none. Devices found: "
            f"{', '.join(found['cpu'])}.",
            where="training.device",
            fix="install GPU support with `pip install 'clickwright[gpu]'` and a "
            "driver, or set `device: cpu`",
        )
    if params.device == "auto":
        return found["gpu"] or found["cpu"]
    return found[params.device]


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    # One for the whole process: the collective operations of a second strategy on the
    # same devices get mixed up with those of the first.
    return tf.distribute.MirroredStrategy(devices)
