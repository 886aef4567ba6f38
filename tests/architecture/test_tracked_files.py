"""What must not be in the repository: paths of a machine, addresses of registries, secrets, binary and generated files."""

import re

# Written in two parts so that this file does not find itself.
FORBIDDEN = [
    re.compile(pattern)
    for pattern in [
        r"(?<![\w./-])/ro" + r"ot/",
        r"(?<![\w./-])/wo" + r"rk/",
        r"(?<![\w./-])/ho" + r"me/(?!pli\b)[a-z]",
        r"files\.python" + r"hosted\.org",
        r"registry\.npm" + r"js\.org",
        r"/simp" + r"le/[a-z0-9-]+/?[\"']",
        r"--(extra-)?index" + r"-url",
        r"BEGIN (RSA |EC |OPENSSH )?PRIV" + r"ATE KEY",
    ]
]
PYTHON_LOCKS = [
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-build.lock",
    "tools/peers/requirements.lock",
]


def is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def test_no_forbidden_string_is_tracked(root, tracked):
    found = []
    for path in tracked:
        text = (root / path).read_text("utf-8")
        found += [f"{path}: {match[0]!r}" for rule in FORBIDDEN if (match := rule.search(text))]
    assert not found, "\n".join(found)


def test_the_rules_bite():
    for text in ["see /wo" + "rk/main", "cd /ro" + "ot/x", "https://files.python" + "hosted.org/packages/x"]:
        assert any(rule.search(text) for rule in FORBIDDEN), text


def test_the_locks_hold_hashes_and_no_addresses(root):
    for name in PYTHON_LOCKS:
        text = (root / name).read_text()
        assert "://" not in text
        requirements = re.findall(r"^([a-z0-9].*?)(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
        assert requirements
        assert all("==" in one and "--hash=sha256:" in one for one in requirements)
    for name in ("web/package-lock.json", "tools/peers/fhir/package-lock.json", "tools/peers/oidc/package-lock.json"):
        assert '"resolved"' not in (root / name).read_text()


def test_all_that_is_tracked_is_text(root, tracked):
    """No wheel, archive or database slips in with a merge."""
    assert not [path for path in tracked if not is_text((root / path).read_bytes())]


def test_what_is_built_is_not_tracked(tracked):
    built = ("server/webroot", "web/node_modules", ".venv", ".make", "demo-data")
    assert not [path for path in tracked if path.as_posix().startswith(built)]
