"""What each operation of the vectors does: JSON in, JSON out, or a ``ProtocolError``.

The tool fills ``out`` with it, and the tests run it again over the committed files.
"""

from collections.abc import Callable, Mapping
from typing import Any

from vectors import (
    perform_account,
    perform_appointment,
    perform_basics,
    perform_conversation,
    perform_message,
    perform_published,
    perform_trimming,
)

Operation = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]

PERFORM: Mapping[str, Mapping[str, Operation]] = {
    **perform_basics.OPERATIONS,
    **perform_account.OPERATIONS,
    **perform_conversation.OPERATIONS,
    **perform_message.OPERATIONS,
    **perform_appointment.OPERATIONS,
    **perform_trimming.OPERATIONS,
    **perform_published.OPERATIONS,
}
