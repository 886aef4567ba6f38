"""Small enough to read: no function over 50 lines, no module over 400."""

import ast
from collections.abc import Iterator
from pathlib import Path

MAX_FUNCTION = 50  # lines, decorators and docstring included
MAX_MODULE = 400  # lines
GENERATED = {Path("bridges/kit/wire_gen.py")}
PYTHON_ROOMS = {"server", "crypto", "bridges", "tools", "bench"}
TESTS = "tests"  # as short as ours; only a function may be longer: it tells a story


def is_ours(path: Path) -> bool:
    generated = path in GENERATED or "migrations/versions" in path.as_posix() or ".gen." in path.name
    return not generated and not path.is_relative_to("tools/vectors")  # groups of vectors are tables of cases


def long_functions(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            lines = (node.end_lineno or first) - first + 1
            if lines > MAX_FUNCTION:
                yield f"{node.name} has {lines} lines"


def test_functions_are_short(root, tracked):
    found = [
        f"{path}: {what}"
        for path in tracked
        if path.suffix == ".py" and path.parts[0] in PYTHON_ROOMS and is_ours(path)
        for what in long_functions((root / path).read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


def test_modules_are_short(root, tracked):
    found = []
    for path in tracked:
        python = path.suffix == ".py" and path.parts[0] in {*PYTHON_ROOMS, TESTS}
        web = path.suffix in {".ts", ".svelte"} and path.is_relative_to("web/src") and "i18n" not in path.parts
        if (python or web) and is_ours(path):
            lines = len((root / path).read_text("utf-8").splitlines())
            if lines > MAX_MODULE:
                found.append(f"{path} has {lines} lines")
    assert not found, "\n".join(found)


def test_a_long_function_is_seen():
    body = "\n".join("    x = 1" for _ in range(MAX_FUNCTION))
    assert list(long_functions(f"def f():\n{body}\n")) == ["f has 51 lines"]
    assert not list(long_functions("def f():\n    return 1\n"))
