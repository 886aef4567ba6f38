"""The configuration of a bridge: what is taken, what is refused before anything runs."""

import re
from pathlib import Path

import pytest

from bridges.kit.errors import UsageError
from bridges.mail.config import load, read_secret

ROOT = Path(__file__).resolve().parents[4]
BOX = """
[[box]]
name = "cabinet"
address = "pli@cabinet.mssante.fr"
owner = "Cabinet du Sud"
imap = { login = { user = "pli", password_file = "secret" } }
"""
TOP = 'home = "home"\nstate = "/var/lib/pli-mail"\n'


def written(tmp_path, text):
    path = tmp_path / "bridge.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path):
    config = load(written(tmp_path, TOP + BOX))
    assert config.home == tmp_path / "home"
    assert str(config.state) == "/var/lib/pli-mail"
    assert config.box[0].imap.login.password_file == tmp_path / "secret"
    assert config.trust.senders == ("mssante.fr",)
    assert config.named("cabinet") is config.box[0]


@pytest.mark.parametrize(
    "text",
    [
        TOP,
        TOP + BOX + BOX,
        TOP + BOX.replace("cabinet.mssante.fr", "cabinet"),
        TOP + BOX.replace('"cabinet"', '"../x"'),
        TOP + BOX.replace("password_file", "passwort_file"),
        TOP + BOX.replace('password_file = "secret"', 'password = "hunter2"'),
        TOP + BOX.replace(', password_file = "secret"', ""),
        TOP + BOX.replace('user = "pli", ', ""),
        TOP + BOX.replace('"secret"', '"secret", token_command = ["t"]'),
        TOP + 'patient_domains = ["no domain"]\n' + BOX,
        TOP + 'software = "a b"\n' + BOX,
        "not toml",
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, text):
    with pytest.raises(UsageError):
        load(written(tmp_path, text))


def test_the_documented_configuration_is_one(tmp_path):
    page = (ROOT / "docs/operate/mail.md").read_text("utf-8")
    (documented,) = re.findall(r"```toml bridge\n(.*?)```", page, re.DOTALL)
    config = load(written(tmp_path, documented))
    assert config.box[0].smtp.login.token_command == ["/usr/local/bin/psc-token"]
    assert config.writer["99700367909"].family_name == "MARTIN"


def test_a_secret_that_others_can_read_is_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2\nsecond line\n")
    secret.chmod(0o640)
    with pytest.raises(UsageError, match="0640"):
        read_secret(secret)
    secret.chmod(0o600)
    assert read_secret(secret) == "hunter2"
