"""What it costs to make PDF/A-1 of a document that leaves by mail: ``python -m bench.pdf_a``. Needs Ghostscript."""

import asyncio
import resource
import statistics
import time
from datetime import UTC, datetime

from bridges.mail.pdf_a.converting import convert
from tests.fakes.pdfs import pdf

TIMES = 5
DOCUMENTS = {
    "1 page of text": pdf("Compte rendu"),
    "1 page with transparency": pdf("~Compte rendu"),
    "500 pages of text": pdf(*["Compte rendu"] * 500),
}


def _processor() -> float:
    """Seconds that our children have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    for name, document in DOCUMENTS.items():
        costs = []
        for _ in range(TIMES):
            processor, began = _processor(), time.monotonic()
            made = await convert(document, datetime(2026, 11, 20, tzinfo=UTC))
            costs.append((_processor() - processor, time.monotonic() - began))
        used, elapsed = (statistics.median(each) for each in zip(*costs, strict=True))
        print(f"{name}: {made.outcome}, {used:.2f} s of processor, {elapsed:.2f} s elapsed")


if __name__ == "__main__":
    asyncio.run(main())
