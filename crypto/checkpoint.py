"""The place kept for a checkpoint of a transparency log: ``null`` in version 1.

Source: docs/spec/protocol.md 6.2 and 7.3.
"""

from typing import Final

NONE: Final = None
"""The only checkpoint that version 1 writes and reads."""
