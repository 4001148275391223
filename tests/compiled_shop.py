"""A compiled pipeline of two tasks, with what is needed to submit it."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from clickwright.pipeline.remote.compiled import digest, own_version, submission_path
from clickwright.pipeline.remote.target import Target

IMAGE = "127.0.0.1:9/shop/clickwright:0.1.0"
"""Nothing answers there, so that nothing is known of the image."""
ROOT = "gs://shop-bucket/pipelines"
TASKS = ("SourceGen", "Trainer")


def compiled_shop(
    folder: pathlib.Path,
    target: Target,
    images: Mapping[str, str] | None = None,
    **submission: Any,
) -> pathlib.Path:
    """Writes the pipeline as `clickwright compile` does.

    Args:
        folder: where it is to lie.
        target: what it is for.
        images: image of each task that has one of its own.
        submission: other fields of the submission.
    """
    parameters = {
        "data": {"parameterType": "STRING"},
        "span": {"parameterType": "STRING", "defaultValue": "latest"},
    }
    spec: dict[str, Any] = {
        "schemaVersion": "2.1.0",
        "sdkVersion": "tfx-1.21.0",
        "pipelineInfo": {"name": "tiny_shop"},
        "components": {task: {"executorLabel": f"{task}_executor"} for task in TASKS},
        "deploymentSpec": {
            "executors": {
                f"{task}_executor": {
                    "container": {
                        "image": (images or {}).get(task, IMAGE),
                        "command": ["true"],
                    }
                }
                for task in TASKS
            }
        },
        "root": {
            "inputDefinitions": {"parameters": parameters},
            "dag": {
                "tasks": {
                    task: {
                        "taskInfo": {"name": task},
                        "componentRef": {"name": task},
                        "cachingOptions": {"enableCache": True},
                    }
                    for task in TASKS
                }
            },
        },
    }
    job = {
        "pipelineSpec": spec,
        "runtimeConfig": {
            "gcsOutputDirectory": ROOT,
            "parameterValues": {"data": "gs://shop-bucket/logs"},
        },
    }
    path = folder / "shop.json"
    path.write_text(json.dumps(job))
    content = {
        "target": target,
        "clickwright_version": own_version(),
        "spec_sha256": digest(spec),
        "config_sha256": "0" * 64,
        "image": IMAGE,
        "pipeline_root": ROOT,
        "labels": {"team": "ads"},
        "parameters": {
            "data": {"type": "STRING", "default": "gs://shop-bucket/logs"},
            "span": {"type": "STRING", "default": "latest"},
        },
        "cache": True,
    }
    beside = submission_path(path)
    beside.write_text(json.dumps(content | submission))
    return path
