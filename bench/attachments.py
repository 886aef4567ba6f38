"""A large file up by tus and down again."""

import os
import time
from base64 import b64encode
from typing import Any

from bench.people import Pair
from bench.process import Server
from bench.wire import Answer, Http, request
from crypto.codec import b64

PART = 8 * 1024 * 1024  # bytes, the largest part the server takes (docs/spec/api.md 1)


def _price(server: Server, size: int, begun: float, cpu: float) -> dict[str, float]:
    seconds, spent = time.perf_counter() - begun, server.cpu() - cpu
    return {"mb_per_s": round(size / 1e6 / seconds, 1), "mb_per_server_cpu_s": round(size / 1e6 / max(spent, 0.01), 1)}


async def _expect(http: Http, wanted: int, data: bytes) -> Answer:
    answer = await http.ask(data)
    if answer[0] != wanted:
        raise RuntimeError(f"{answer[0]} {answer[2][:300].decode(errors='replace')}")
    return answer


async def measure(server: Server, pair: Pair, size: int) -> dict[str, Any]:
    """Upload random bytes (sealed bytes are not different), link them, download them."""
    http, attachment = await Http.open(server.host, server.port), b64(os.urandom(16))
    sealed, doctor = os.urandom(size), {"authorization": f"Bearer {pair.doctor.token}", "tus_resumable": "1.0.0"}
    begun, cpu = time.perf_counter(), server.cpu()
    name = "attachment " + b64encode(attachment.encode()).decode()
    await _expect(
        http,
        201,
        request("POST", "/v1/uploads", server.address, upload_length=str(size), upload_metadata=name, **doctor),
    )
    for offset in range(0, size, PART):
        part = {"upload_offset": str(offset), "content_type": "application/offset+octet-stream", **doctor}
        body = sealed[offset : offset + PART]
        await _expect(http, 204, request("PATCH", f"/v1/uploads/{attachment}", server.address, body, **part))
    up = _price(server, size, begun, cpu)
    message = pair.linked(attachment)
    path = f"/v1/conversations/{pair.conversation}"
    await _expect(
        http,
        201,
        request("POST", f"{path}/envelopes", server.address, message.body, content_type="application/json", **doctor),
    )
    patient = {"authorization": f"Bearer {pair.patient.token}"}
    begun, cpu = time.perf_counter(), server.cpu()
    _, _, body = await _expect(http, 200, request("GET", f"{path}/attachments/{attachment}", server.address, **patient))
    down = _price(server, size, begun, cpu)
    http.close()
    return {"bytes": size, "intact": body == sealed, "up": up, "down": down}
