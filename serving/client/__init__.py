"""Asks model servers for scores: `Client`, `AsyncClient` and `RequestError`."""

from clickwright.serving.client.async_client import AsyncClient
from clickwright.serving.client.client import Client
from clickwright.serving.client.request_error import RequestError

__all__ = ["AsyncClient", "Client", "RequestError"]
