"""Text whose lines were only cut to fit a screen, put together again. Source: RFC 3676 4."""

from typing import Final

_SIGNATURE: Final = "-- "
_DEEPEST: Final = 20  # quotes inside quotes that are shown


def unfold(text: str, *, joined: bool) -> str:
    """Join the lines that end with a space to the next one of the same depth of quotes.

    Args:
        text: with LF between its lines.
        joined: DelSp=yes: the space at the end belongs to the cut, as in languages without spaces.

    """
    pieces, running, depth_before = list[str](), False, 0
    for line in text.split("\n"):
        words = line.lstrip(">")
        depth = len(line) - len(words)
        words = words.removeprefix(" ")
        if not running or depth != depth_before or words == _SIGNATURE:
            pieces += ("\n", "> " * min(depth, _DEEPEST))
        running = words.endswith(" ") and words != _SIGNATURE
        pieces.append(words[:-1] if running and joined else words)
        depth_before = depth
    return "".join(pieces[1:])
