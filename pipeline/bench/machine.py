"""Where a training runs, and what it takes."""

import importlib.metadata
import os
import pathlib
import platform
import resource

import psutil

from clickwright.pipeline.bench.records import Machine

PACKAGES = ("keras", "keras-rs", "numpy", "tensorflow")
"""Packages that results depend on."""
_PROCESS = pathlib.Path("/proc/self")


def packages() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def this_machine() -> Machine:
    """Describes the machine; needs TensorFlow, for its accelerators."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return Machine(
        python=platform.python_version(),
        packages=packages(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        accelerator=details.get("device_name", "GPU") if gpus else None,
    )


def start_peak() -> None:
    """Lets `peak_memory` count from now on, where the kernel can."""
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:  # a container without /proc, or another kernel
        return


def peak_memory() -> int:
    """Largest resident size since `start_peak`, in bytes."""
    try:
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _processor() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()
