"""kfp's client, which finds out at once whether a server is there."""

import json
from typing import Any

import kfp
import kfp_server_api

TIMEOUT_SECONDS = 10


class KubeflowClient(kfp.Client):
    """A `kfp.Client` that asks a server once whether it is there.

    kfp asks five times with five seconds between, without a limit on each, and takes
    the login page of a proxy for an answer.
    """

    def get_kfp_healthz(
        self, sleep_duration: int = 0
    ) -> kfp_server_api.V2beta1GetHealthzResponse:
        """Asks what the server is.

        Args:
            sleep_duration: as kfp has it; nothing is tried again.

        Raises:
            kfp_server_api.ApiException: the server refuses.
            ValueError: what answers is no server of Kubeflow Pipelines.
        """
        answer: Any = self._healthz_api.healthz_service_get_healthz(
            _preload_content=False, _request_timeout=TIMEOUT_SECONDS
        )
        content = json.loads(answer.data)
        return kfp_server_api.V2beta1GetHealthzResponse(
            multi_user=bool(content.get("multi_user"))
        )
