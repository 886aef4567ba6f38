import { describe, expect, it } from "vitest";

import { HEADER, openAttachment, openSegment, sealAttachment, sealedSize, SEGMENT, type AttachmentReference } from "./attachment.ts";
import { b64, concat } from "./codec.ts";
import { systemRandom } from "./random.ts";
import type { Bytes } from "./suite.ts";
import { flipped, refusal } from "./testing/people.ts";

const DESCRIBED = { media_type: "application/pdf", name: "ordonnance.pdf", title: "", document: "prescription" } as const;
const FIRST = SEGMENT - HEADER - 16;
const REST = SEGMENT - 16;

function pattern(size: number): Bytes {
  return new Uint8Array(size).map((_, i) => (i * 7 + (i >> 8)) & 0xff);
}

/** What a download is: chunks of any size. */
function chunks(bytes: Bytes, size: number): ReadableStream<Bytes> {
  let at = 0;
  return new ReadableStream({
    pull(out) {
      if (at >= bytes.length) {
        out.close();
        return;
      }
      out.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

async function collect(stream: ReadableStream<Bytes>): Promise<Bytes> {
  const parts: Bytes[] = [];
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
  return concat(...parts);
}

async function seal(plain: Bytes, chunk = 50_000): Promise<{ sealed: Bytes; reference: AttachmentReference }> {
  const sealing = await sealAttachment({ id: b64(systemRandom(16)) });
  const sealed = await collect(chunks(plain, chunk).pipeThrough(sealing.transform));
  return { sealed, reference: sealing.reference(DESCRIBED) };
}

async function open(sealed: Bytes, reference: AttachmentReference, chunk = 60_001): Promise<Bytes> {
  return collect(chunks(sealed, chunk).pipeThrough(await openAttachment(reference)));
}

describe("an attachment", () => {
  it.each([0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + REST, FIRST + REST + 1, 300_000])("of %i bytes comes back", async (size) => {
    const plain = pattern(size);
    const { sealed, reference } = await seal(plain);
    expect(sealed.length).toBe(sealedSize(size));
    expect(reference).toMatchObject({ size, sealed_size: sealed.length });
    expect(b64(await open(sealed, reference))).toBe(b64(plain));
    expect(b64(await open(sealed, reference, 7_777))).toBe(b64(plain));
  });

  it("can be read from the middle", async () => {
    const plain = pattern(200_000);
    const { sealed, reference } = await seal(plain);
    const header = sealed.slice(0, HEADER);
    const segment = (index: number): Bytes => sealed.slice(index * SEGMENT, (index + 1) * SEGMENT);
    const whole = [];
    for (let index = 0; index * SEGMENT < sealed.length; index++) {
      whole.push(await openSegment({ reference, header, index, segment: segment(index) }));
    }
    expect(b64(concat(...whole))).toBe(b64(plain));
    const moved = openSegment({ reference, header, index: 1, segment: segment(2) });
    expect(await refusal(moved)).toBe("open_failed");
  });

  it("that was cut, extended, reordered, mixed or changed does not open", async () => {
    const { sealed, reference } = await seal(pattern(200_000));
    const other = await seal(pattern(200_000));
    const part = (i: number, from = sealed): Bytes => from.slice(i * SEGMENT, (i + 1) * SEGMENT);
    const attacks = {
      "cut in the middle": sealed.slice(0, 100_000),
      "cut at a segment": sealed.slice(0, 2 * SEGMENT),
      "only the header": sealed.slice(0, HEADER),
      "nothing": new Uint8Array(),
      "extended": concat(sealed, new Uint8Array(1)),
      "segments swapped": concat(part(0), part(2), part(1), part(3)),
      "a segment twice": concat(part(0), part(1), part(1), part(2), part(3)),
      "a segment of another file": concat(part(0), part(1, other.sealed), part(2), part(3)),
      "a flipped bit": flipped(sealed, 999_999),
      "a flipped bit of the header": flipped(sealed, 12),
    };
    for (const [name, attacked] of Object.entries(attacks)) {
      expect([name, await refusal(open(attacked, reference))]).toEqual([name, "open_failed"]);
    }
  });

  it("that is not the signed one does not open, even when its key fits", async () => {
    const { sealed, reference } = await seal(pattern(1000));
    const wrong = [{ sha256: b64(systemRandom(32)) }, { sealed_sha256: b64(systemRandom(32)) }, { size: 999 }, { sealed_size: 1 }];
    for (const change of wrong) expect(await refusal(open(sealed, { ...reference, ...change }))).toBe("open_failed");
    expect(await refusal(open(sealed, { ...reference, id: b64(systemRandom(16)) }))).toBe("open_failed");
  });

  it.each(["", "a/b", "a\\b", ".", "..", "a\u0000", "a\u0007b", "é".repeat(128)])("is never called %j", async (name) => {
    const sealing = await sealAttachment({ id: b64(systemRandom(16)) });
    await collect(chunks(pattern(3), 3).pipeThrough(sealing.transform));
    expect(() => sealing.reference({ ...DESCRIBED, name })).toThrow(/bad_format/);
  });
});
