"""What one child may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a child."""

    cpu: float  # seconds of processor for one file
    wall: float  # seconds that the parent waits, however busy the machine is
    address_space: int  # bytes, all included
    answer: int  # bytes of one answer
    life: int  # files after which a child is replaced
