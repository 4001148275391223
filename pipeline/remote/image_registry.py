"""Whether a container image is there, by the API that all registries have."""

import base64
import email.message
import ipaddress
import json
import os
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from clickwright.pipeline.remote.google_login import google_credentials
from clickwright.schemas.errors import ConfigError, MachineError

TIMEOUT_SECONDS = 10
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_HUB = "registry-1.docker.io"
_HUB_LOGIN = "https://index.docker.io/v1/"
_PULL_PROBLEM = re.compile(
    r"image ?pull|ErrImage|pull(ing)? (the )?image|manifest unknown|"
    r"\bimage\b.*(not found|does not exist|not exist|cannot be found)",
    re.IGNORECASE,
)


def image_exists(image: str) -> bool | None:
    """Asks the image's registry for it.

    Logins come from Docker's configuration (`DOCKER_CONFIG`, `~/.docker`) and, for
    Google's registries, from the application default credentials.

    Args:
        image: name with its registry, and a tag or digest.

    Returns:
        None where the registry does not answer, or tells nothing to this login.

    References:
        https://distribution.github.io/distribution/spec/api/
    """
    host, repository, reference = _parts(image)
    scheme = "http" if _is_loopback(host) else "https"
    url = f"{scheme}://{host}/v2/{repository}/manifests/{reference}"
    given = {"Accept": ", ".join(_MANIFESTS)}
    try:
        status, headers, _ = _ask(url, "HEAD", given)
        if status == 401:
            login = _login(host)
            authorization = _authorization(headers.get("WWW-Authenticate", ""), login)
            if authorization is None:
                return None
            given["Authorization"] = authorization
            status, _, _ = _ask(url, "HEAD", given)
    except (OSError, ValueError):
        return None
    return {200: True, 404: False}.get(status)


def no_image(image: str, said: str) -> ConfigError:
    """What to tell of an image that cannot be pulled."""
    return ConfigError(
        f"The image {image} cannot be found: {said.rstrip('.')}.",
        where="remote.image",
        fix=f"push it (docker push {image}), or name another one and compile again",
    )


def is_pull_problem(said: str) -> bool:
    """Whether a service's words tell that an image cannot be pulled."""
    return bool(_PULL_PROBLEM.search(said))


def _parts(image: str) -> tuple[str, str, str]:
    """Registry, repository and tag or digest, as Docker reads a name."""
    first, slash, rest = image.partition("/")
    if slash and (re.search("[.:]", first) or first == "localhost"):
        host, name = first, rest
    else:
        host, name = _HUB, image if slash else f"library/{image}"
    if host == "docker.io":
        host = _HUB
    repository, at, digest = name.partition("@")
    repository, _, tag = repository.partition(":")
    return host, repository, digest if at else tag or "latest"


def _is_loopback(host: str) -> bool:
    """Whether Docker, too, talks to this registry without TLS."""
    name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _login(host: str) -> tuple[str, str] | None:
    """User and password for a registry; None for none."""
    folder = os.environ.get("DOCKER_CONFIG", "~/.docker")
    try:
        file = pathlib.Path(folder).expanduser() / "config.json"
        logins = json.loads(file.read_text(encoding="utf-8")).get("auths", {})
        entry = logins.get(_HUB_LOGIN if host == _HUB else host, {})
        user, colon, password = (
            base64.b64decode(entry.get("auth", "")).decode().partition(":")
        )
        if colon:
            return user, password
    except (OSError, ValueError, AttributeError):
        pass  # no login of Docker's
    if host == "gcr.io" or host.endswith((".gcr.io", ".pkg.dev")):
        return _google_login()
    return None


def _google_login() -> tuple[str, str] | None:
    from google.auth import exceptions
    from google.auth.transport import requests

    try:
        credentials = google_credentials()
        credentials.refresh(requests.Request())
    except (MachineError, exceptions.GoogleAuthError):
        return None
    return "oauth2accesstoken", str(credentials.token)


def _authorization(challenge: str, login: tuple[str, str] | None) -> str | None:
    """Answers a registry's challenge; None where nothing can be answered."""
    kind, _, rest = challenge.partition(" ")
    basic = None
    if login is not None:
        basic = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    if kind.lower() != "bearer":
        return basic
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    realm = urllib.parse.urlsplit(fields.pop("realm", ""))
    if realm.scheme != "https" and not _is_loopback(realm.netloc):
        return None
    query = urllib.parse.urlencode(
        {name: fields[name] for name in ("service", "scope") if name in fields}
    )
    status, _, body = _ask(
        realm._replace(query=query).geturl(),
        "GET",
        {} if basic is None else {"Authorization": basic},
    )
    if status != 200:
        return None
    answer = json.loads(body)
    return f"Bearer {answer.get('token') or answer['access_token']}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the login would be sent to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Refuses."""


def _ask(
    url: str, method: str, headers: Mapping[str, str]
) -> tuple[int, email.message.Message, bytes]:
    request = urllib.request.Request(url, method=method, headers=dict(headers))
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()
