"""The page for the practice and the program say the same about the settings."""

import re
from pathlib import Path

from bridges.agenda.config import load

ROOT = Path(__file__).resolve().parents[4]


def test_the_settings_of_the_page_are_settings(tmp_path):
    page = (ROOT / "docs/operate/agenda.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "plain.toml").write_text(example)
    config = load(tmp_path / "plain.toml")
    assert (config.zone, config.provider["kind"], len(config.openings)) == ("Europe/Paris", "caldav", 1)
    everything = re.sub(r"^# (?=\[|[a-z_]+ = )", "", example, flags=re.MULTILINE)
    (tmp_path / "all.toml").write_text(everything)
    config = load(tmp_path / "all.toml")
    assert config.publish is not None
    assert config.publish.secret_file == "feed-secret"
    assert config.openings[0].motive == "suivi"
    assert config.folder == tmp_path
