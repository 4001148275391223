"""A container registry, by the API that all of them have."""

import base64

from fake_service import Answer, Asked, FakeService


class FakeRegistry(FakeService):
    """Holds images; answers a login with a token, as large registries do.

    Attributes:
        images: what is there: `repository:tag`.
        login: user and password it asks for; None for nothing asked.
        with_token: whether the login is given for a token, or with each request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.images: set[str] = set()
        self.login: tuple[str, str] | None = None
        self.with_token = True

    @property
    def host(self) -> str:
        """As it stands in an image's name."""
        return self.url.removeprefix("http://")

    def answer(self, asked: Asked) -> Answer:
        given = asked.headers.get("Authorization")
        if asked.path == "/token":
            if given != self._basic():
                return Answer(status=401)
            return Answer({"token": asked.query["scope"]})
        repository, _, reference = asked.path.removeprefix("/v2/").rpartition(
            "/manifests/"
        )
        scope = f"repository:{repository}:pull"
        if self.login is not None:
            needed = f"Bearer {scope}" if self.with_token else self._basic()
            if given != needed:
                challenge = (
                    f'Bearer realm="{self.url}/token",service="fake",scope="{scope}"'
                    if self.with_token
                    else 'Basic realm="fake"'
                )
                return Answer(status=401, headers={"WWW-Authenticate": challenge})
        separator = "@" if reference.startswith("sha256:") else ":"
        found = f"{repository}{separator}{reference}" in self.images
        return Answer(status=200 if found else 404)

    def _basic(self) -> str | None:
        if self.login is None:
            return None
        return "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
