"""Settings are read once, and a mistake in them stops the start."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from server import settings
from server.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_default():
    read = settings.read({"port": 1, "host": None}, {"PLI_PORT": "2", "PLI_HOST": "::1", "HOME": "/x"})
    assert (read.port, read.host, read.web) == (1, "::1", True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PLI_PROT", "8420"),
        ("PLI_PORT", "many"),
        ("PLI_PORT", "65536"),
        ("PLI_WEB", "perhaps"),
        ("PLI_PUBLIC_URL", "care.example.org"),
        ("PLI_PUBLIC_URL", "https://care.example.org/pli"),
        ("PLI_PUBLIC_URL", "https://care.example.org?x=1"),
        ("PLI_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("PLI_ATTACHMENT_LIMIT", "0"),
        ("PLI_ATTACHMENT_LIMIT", "-1"),
    ],
)
def test_a_misspelt_or_impossible_setting_stops_the_start_and_is_named(name, text):
    with pytest.raises(SettingsError, match=name):
        settings.read({}, {name: text})


def test_an_empty_line_of_the_environment_chooses_nothing():
    """``.env.example`` shows what is off as an empty line: to uncomment it must change nothing."""
    empty = {line.split("=")[0].lstrip("#"): "" for line in settings.example().splitlines() if line.startswith("#PLI_")}
    assert len(empty) > 20
    assert settings.read({}, empty) == Settings()


def test_a_mistake_is_told_in_words_and_with_what_was_meant():
    with pytest.raises(SettingsError, match="do you mean PLI_PORT"):
        settings.read({}, {"PLI_PROT": "8420"})
    with pytest.raises(SettingsError, match="PLI_MESSAGE_DAYS: say a whole number, not '12 months'"):
        settings.read({}, {"PLI_MESSAGE_DAYS": "12 months"})


@pytest.mark.parametrize("name", ["PLI_DATABASE_URL", "PLI_REDIS_URL"])
@pytest.mark.parametrize(
    "authority", ["u:s#cret@h/x", "u:s@cret@h/x", "u:s[cret@h/x", "u:s/cret@h:no/x", "u:secret@h:no/x"]
)
def test_an_address_that_libraries_read_differently_is_refused_without_telling_its_password(name, authority):
    scheme = "postgresql" if name == "PLI_DATABASE_URL" else "redis"
    with pytest.raises(SettingsError) as refused:
        settings.read({}, {name: f"{scheme}://{authority}"})
    assert "%XX" in str(refused.value)
    assert "cret" not in str(refused.value)


def test_the_variables_of_pli_bridge_are_not_ours_to_judge():
    assert settings.read({}, {"PLI_PASSPHRASE": "x", "PLI_HOME": "/home"}) == Settings()


def test_values_are_read_as_what_they_mean():
    read = settings.read(
        {"public_url": "https://care.example.org/", "web": False},
        {"PLI_TRUSTED_PROXIES": "10.0.0.0/8, ::1", "PLI_DEMO": "yes"},
    )
    assert read.public_url == "https://care.example.org"
    assert read.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))
    assert (read.web, read.demo) == (False, True)


def test_invitations_carry_the_public_address_or_the_one_we_listen_on():
    assert Settings(public_url="https://a.example").address(8420) == "https://a.example"
    assert Settings(host="::1").address(99) == "http://[::1]:99"


@pytest.mark.parametrize(
    ("path", "written"), [(".env.example", settings.example), ("docs/operate/settings.md", settings.table)]
)
def test_the_operators_pages_are_what_the_code_says(path, written):
    assert (ROOT / path).read_text() == written(), "run `make api`"
