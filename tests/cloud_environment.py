"""The environment of a machine that knows no cloud, and a login for it."""

import functools
import json
import pathlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ACCOUNT = "runner@shop-project.iam.gserviceaccount.com"


def forget_logins(monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path) -> None:
    """Takes away every login that the machine may have."""
    for name in (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "KF_PIPELINES_SA_TOKEN_PATH",
        "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID",
        "KF_PIPELINES_UI_ENDPOINT",
        "GOOGLE_CLOUD_PROJECT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder / "gcloud"))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder / "docker"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # it would look for Google's machines


def write_service_account(folder: pathlib.Path, token_uri: str) -> pathlib.Path:
    """Writes a key file for a service account that only a fake knows."""
    path = folder / "account.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "shop-project",
                "private_key_id": "1",
                "private_key": _private_key(),
                "client_email": ACCOUNT,
                "token_uri": token_uri,
            }
        )
    )
    return path


@functools.cache
def _private_key() -> str:
    """A key of this process: making one takes a while."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
