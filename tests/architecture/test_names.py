"""Our top-level names are generic (ADR 0001): nothing installed may share them, nothing of ours may shadow Python."""

import sys
from importlib.metadata import packages_distributions

OURS = {"server", "crypto", "bridges"}
OUR_DISTRIBUTION = "pli"


def collisions(installed: dict[str, list[str]]) -> dict[str, list[str]]:
    """Top-level modules equal to ours ignoring case (pycryptodome ships ``Crypto``), with who ships them."""
    clashing = {name: set(owners) - {OUR_DISTRIBUTION} for name, owners in installed.items() if name.lower() in OURS}
    return {name: sorted(owners) for name, owners in clashing.items() if owners}


def test_no_dependency_ships_a_module_of_our_name():
    assert collisions(dict(packages_distributions())) == {}


def test_a_collision_is_seen():
    assert collisions({"Crypto": ["pycryptodome"], "crypto": ["pli"]}) == {"Crypto": ["pycryptodome"]}


def test_no_folder_of_ours_shadows_the_standard_library(root, tracked):
    top = {path.parts[0] if len(path.parts) > 1 else path.stem for path in tracked if path.suffix == ".py"}
    assert not top & sys.stdlib_module_names


def test_the_tests_hold_no_init_file(tracked):
    assert not [path for path in tracked if path.parts[0] == "tests" and path.name == "__init__.py"]
