"""How the client's channels behave."""

import json
from typing import Any

ATTEMPTS = 5
"""Of a request that finds the server unavailable; gRPC allows no more."""

_RETRIES = {
    "methodConfig": [
        {
            "name": [{}],  # every method
            "retryPolicy": {
                "maxAttempts": ATTEMPTS,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                # Nothing else: the others come again, or cost the server twice.
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def channel_options(max_message_bytes: int) -> list[tuple[str, Any]]:
    """Returns options of a channel that retries what was not available.

    A server that starts anew is away for a moment, so the channel looks for it every
    tenth of a second at first; gRPC's own second would outlast all attempts.

    Args:
        max_message_bytes: of a request or an answer; gRPC's own limit, 4 MiB, is less
            than the scores and embeddings of large requests.
    """
    return [
        ("grpc.service_config", json.dumps(_RETRIES)),
        ("grpc.enable_retries", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
    ]
