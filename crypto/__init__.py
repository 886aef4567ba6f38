"""The Pli protocol as a library: bytes in, bytes out (docs/spec/protocol.md).

No input or output, no clock, no logging: randomness is an argument (``random``), and so is time (``at``, milliseconds).
Start with ``account``, ``conversation`` and ``envelope``; ``README.md`` in this folder shows them at work.
"""
