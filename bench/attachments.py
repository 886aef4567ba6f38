"""Large files up by tus and down again."""

import os
import time
from base64 import b64encode
from typing import Any

from bench.people import Pair
from bench.process import Server
from bench.wire import Answer, Http, request
from crypto.codec import b64

PART = 8 * 1024 * 1024  # bytes, the largest part the server takes (docs/spec/api.md 1)
COPIES = 4  # the kernel counts CPU in hundredths of a second: one file is too short


async def measure(server: Server, pair: Pair, size: int) -> dict[str, Any]:
    """Upload random bytes (sealed ones do not look different), link them, download them."""
    http = await Http.open(server.host, server.port)
    names, sealed = [b64(os.urandom(16)) for _ in range(COPIES)], os.urandom(size)
    begun, cpu = time.perf_counter(), server.cpu()
    for name in names:
        await _upload(http, server, pair, name, sealed)
    up = price(server, size, begun, cpu)
    for name in names:
        await _link(http, server, pair, name)
    begun, cpu = time.perf_counter(), server.cpu()
    intact = [await _download(http, server, pair, name) == sealed for name in names]
    down = price(server, size, begun, cpu)
    http.close()
    return {"bytes": size, "copies": COPIES, "intact": all(intact), "up": up, "down": down}


async def _upload(http: Http, server: Server, pair: Pair, name: str, sealed: bytes) -> None:
    common = {"authorization": f"Bearer {pair.doctor.token}", "tus_resumable": "1.0.0"}
    about = {"upload_length": str(len(sealed)), "upload_metadata": f"attachment {b64encode(name.encode()).decode()}"}
    await _expect(http, 201, request("POST", "/v1/uploads", server.address, **common, **about))
    for offset in range(0, len(sealed), PART):
        part = {"upload_offset": str(offset), "content_type": "application/offset+octet-stream"}
        body = sealed[offset : offset + PART]
        await _expect(http, 204, request("PATCH", f"/v1/uploads/{name}", server.address, body, **common, **part))


async def _link(http: Http, server: Server, pair: Pair, name: str) -> None:
    headers = {"authorization": f"Bearer {pair.doctor.token}", "content_type": "application/json"}
    path = f"/v1/conversations/{pair.conversation}/envelopes"
    await _expect(http, 201, request("POST", path, server.address, pair.linked(name).body, **headers))


async def _download(http: Http, server: Server, pair: Pair, name: str) -> bytes:
    path = f"/v1/conversations/{pair.conversation}/attachments/{name}"
    get = request("GET", path, server.address, authorization=f"Bearer {pair.patient.token}")
    return (await _expect(http, 200, get))[2]


async def _expect(http: Http, wanted: int, data: bytes) -> Answer:
    answer = await http.ask(data)
    if answer[0] != wanted:
        raise RuntimeError(f"{answer[0]} {answer[2][:300].decode(errors='replace')}")
    return answer


def price(server: Server, size: int, begun: float, cpu: float) -> dict[str, float]:
    """What ``COPIES`` files of ``size`` bytes cost since then, in seconds and in seconds of CPU."""
    megabytes, seconds, spent = COPIES * size / 1e6, time.perf_counter() - begun, server.cpu() - cpu
    return {"mb_per_s": round(megabytes / seconds, 1), "mb_per_server_cpu_s": round(megabytes / max(spent, 0.01), 1)}
