"""The example that others code against runs as it is printed."""

import re
from pathlib import Path

README = Path(__file__).parents[3] / "crypto" / "README.md"


def test_the_example_runs():
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1]
    names = {"now": 1_790_000_000_000}
    exec(compile(code, str(README), "exec"), names)
    assert names["message"].content.payload["text"] == "Bonjour"
    assert names["taken"].opened.roster.people[names["jean"].id] == "Jean Dupont"
