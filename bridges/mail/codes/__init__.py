"""Value sets as data, dated: replace the files to follow a new edition (``README.md`` says where they come from)."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Code:
    """One row of a value set."""

    code: str
    system: str
    label: str


@cache
def table(name: str) -> dict[str, Code]:
    """Give a value set: code → row."""
    lines = files(__name__).joinpath(f"{name}.tsv").read_text("utf-8").splitlines()[1:]
    rows = (line.split("\t") for line in lines if line)
    return {row[0]: Code(row[0], row[1], row[2]) for row in rows}
