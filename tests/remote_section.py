"""The section `remote` of a run, as tests give it."""

from typing import Any

REMOTE: dict[str, Any] = {
    "image": "registry.example/shop/clickwright:0.1.0",
    "pipeline_root": "gs://bucket/pipelines",
    "data": "gs://bucket/logs",
    "labels": {"team": "ads"},
    "retries": 2,
    "resources": {
        "default": {"cpu": 2, "memory": "8Gi"},
        "Trainer": {"cpu": 7.5, "memory": "32Gi", "gpu": "NVIDIA_TESLA_T4", "gpus": 2},
    },
    "schedule": {"cron": "0 3 * * *", "timezone": "Europe/Berlin"},
    "vertex": {
        "project": "shop",
        "region": "europe-west4",
        "service_account": "runner@shop.iam.gserviceaccount.com",
    },
    "kubeflow": {"endpoint": "http://127.0.0.1:1", "service_account": "runner"},
}
