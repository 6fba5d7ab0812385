"""A repository of a registry, by the distribution API: https://distribution.github.io/distribution/spec/api/."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_dagger_rust.builds.places import reason, without_credentials
from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LIMIT = 30.0
_LARGEST = 1 << 24
_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3})(:\d+)?\Z")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to storage elsewhere, which gets no login."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        if found is not None and (found.host, found.type) != (req.host, req.type):
            found.remove_header("Authorization")
        return found


_OPENER = urllib.request.build_opener(_Redirects)


class Registry:
    """One repository; requests are made as the user of `docker login`, where there is one."""

    def __init__(self, name: str) -> None:
        host, _, repository = name.partition("/")
        if "." not in host and ":" not in host and host != "localhost":
            host, repository = "registry-1.docker.io", name
        self._name = name
        self._base = f"{'http' if _LOOPBACK.match(host) else 'https'}://{host}/v2/{repository}"
        basic = _login(host)
        self._headers = {"Authorization": f"Basic {basic}"} if basic else dict[str, str]()

    def tags(self) -> list[str]:
        """Return all names in the repository."""
        found: list[object] = self._read("tags/list").get("tags") or []
        return [tag for tag in found if isinstance(tag, str)]

    def manifest(self, tag: str) -> dict[str, Any]:
        """Return an image's manifest."""
        return self._read(f"manifests/{tag}", {"Accept": ", ".join(_TYPES)})

    def blob(self, digest: str) -> dict[str, Any]:
        """Return a blob that is JSON."""
        return self._read(f"blobs/{digest}")

    def delete(self, tag: str) -> None:
        """Delete what a name stands for."""
        _, headers = self._request("HEAD", f"manifests/{tag}", {"Accept": ", ".join(_TYPES)})
        self._request("DELETE", f"manifests/{headers.get('Docker-Content-Digest', tag)}")

    def _read(self, path: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        body, _ = self._request("GET", path, headers)
        try:
            value: object = json.loads(body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise DaggerRustError(f"{self._name} has answered with something else than JSON to {path}.")
        return cast("dict[str, Any]", value)

    def _request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, *, is_first: bool = True
    ) -> tuple[bytes, Mapping[str, str]]:
        sent = {**self._headers, **(headers or {})}
        request = urllib.request.Request(f"{self._base}/{path}", method=method, headers=sent)  # noqa: S310
        try:
            with _OPENER.open(request, timeout=_LIMIT) as answer:
                return answer.read(_LARGEST), answer.headers
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate", "")
            error.close()
            if error.code == 401 and is_first and challenge.startswith("Bearer "):
                self._headers = {"Authorization": f"Bearer {self._token(challenge)}"}
                return self._request(method, path, headers, is_first=False)
            hint = "\n  The registry does not allow it: use its own retention." if error.code == 405 else ""
            raise DaggerRustError(f"{self._name} refuses {method} {path}: {error.code}.{hint}") from None
        except OSError as error:
            why = without_credentials(str(getattr(error, "reason", error)))
            raise DaggerRustError(f"{self._name} could not be reached: {why}.") from None

    def _token(self, challenge: str) -> str:
        """Return a token of the service that the registry names, and that only it is sent to."""
        said: dict[str, str] = dict(_CHALLENGE.findall(challenge))
        realm = urllib.parse.urlsplit(said.pop("realm", ""))
        if realm.scheme != "https" and not (realm.scheme == "http" and _LOOPBACK.match(realm.netloc)):
            raise DaggerRustError(f"{self._name} wants a login at {realm.netloc!r}, which is not https.")
        said["scope"] = said.get("scope", "").replace(":pull", ":pull,delete", 1)
        address = f"{realm.scheme}://{realm.netloc}{realm.path}?{urllib.parse.urlencode(said)}"
        request = urllib.request.Request(address, headers=self._headers)  # noqa: S310
        try:
            with _OPENER.open(request, timeout=_LIMIT) as answer:
                value: Any = json.loads(answer.read(_LARGEST))
                return str(value.get("token") or value["access_token"])
        except (OSError, ValueError, KeyError, AttributeError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            raise DaggerRustError(
                f"{realm.netloc} gives no token for {self._name}: {reason(error)}."
            ) from None


def _login(host: str) -> str:
    """Return what `docker login` has kept for a registry; nothing where a credential helper keeps it."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        auths: Any = json.loads((folder / "config.json").read_text("utf-8"))["auths"]
        return str(auths[host]["auth"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
