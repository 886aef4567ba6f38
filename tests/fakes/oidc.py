"""An OpenID Connect provider that is not ours: oidc-provider, from the peers' own folder; a person signs in by its pages."""

import base64
import hashlib
import re
import secrets
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "tools/peers/oidc"
NODE = shutil.which("node", path=f"{FOLDER.parents[2] / '.venv/node/bin'}:/usr/bin:/usr/local/bin") or shutil.which(
    "node"
)
CLIENT, SECRET, CALLBACK = "pli", "kept-in-a-file", "http://127.0.0.1:1/callback"
needs_oidc = pytest.mark.skipif(
    NODE is None or not (FOLDER / "node_modules/oidc-provider").is_dir(),
    reason="the OpenID Connect peer is not installed: npm ci --ignore-scripts in tools/peers/oidc",
)


@contextmanager
def oidc_provider(seconds: int):
    """Give the issuer's address; access tokens live some seconds."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([NODE, "serve.mjs", str(seconds)], cwd=FOLDER, **pipes) as process:
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.kill()


async def sign_in(issuer: str, user: str) -> str:
    """Sign in as a person does in a browser, agree, and give the refresh token."""
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": CLIENT,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid offline_access",
        "prompt": "consent",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        code = await _through_the_pages(browser, issuer, user, asked)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
        async with browser.post(
            f"{issuer}/token", data=form | {"client_id": CLIENT, "client_secret": SECRET}
        ) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["refresh_token"]


async def _through_the_pages(browser, issuer, user, asked) -> str:
    where, method, form = f"{issuer}/auth", "GET", None
    for _ in range(12):
        async with browser.request(method, where, params=asked, data=form, allow_redirects=False) as answer:
            asked, method, form = None, "GET", None
            if answer.status in {302, 303}:
                where = urljoin(where, answer.headers["Location"])
                if where.startswith(CALLBACK):
                    return parse_qs(urlsplit(where).query)["code"][0]
                continue
            page = await answer.text()
        where = urljoin(where, re.search(r'<form[^>]*action="([^"]+)"', page)[1])
        prompt = re.search(r'name="prompt" value="(\w+)"', page)[1]
        method, form = "POST", {"prompt": prompt, "login": user, "password": "any"}
    raise AssertionError("the provider's pages do not end")


async def revoke(issuer: str, token: str) -> None:
    """End a session as its owner does at the provider."""
    form = {"token": token, "token_type_hint": "refresh_token", "client_id": CLIENT, "client_secret": SECRET}
    async with aiohttp.ClientSession() as browser, browser.post(f"{issuer}/token/revocation", data=form) as answer:
        assert answer.status == 200, await answer.text()
