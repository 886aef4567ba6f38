import fc from "fast-check";
import { describe, expect, it } from "vitest";

import * as aead from "./aead.ts";
import { b64, decodeCanonical, encodeCanonical, readSigned, unb64, utf8, writeSigned, type Json, type JsonObject } from "./codec.ts";
import { spell, unspell } from "./codes.ts";
import { encKeyFromSeed, hpkeSeal } from "./hpke.ts";
import { newInvitationCode, readInvitationCode } from "./invitation.ts";
import { pad, padme, unpad } from "./padding.ts";
import { formatRecoveryCode, readRecoveryCode } from "./recovery.ts";
import { verify } from "./sign.ts";
import { holderFromSeed } from "./holder.ts";
import type { Bytes } from "./suite.ts";
import { flipped, refusal } from "./testing/people.ts";

const bytes = (limits: fc.IntArrayConstraints = {}): fc.Arbitrary<Bytes> => fc.uint8Array(limits).map((array) => new Uint8Array(array));
const exactly = (length: number): fc.Arbitrary<Bytes> => bytes({ minLength: length, maxLength: length });
const key = fc.stringMatching(/^[a-z][a-z0-9_]{0,9}$/);
const words = fc.string({ unit: "binary" });

const { value } = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  value: fc.oneof({ depthSize: "small" }, fc.constant(null), fc.boolean(), fc.maxSafeInteger(), words, fc.array(tie("value")), tie("object")),
  object: fc.dictionary(key, tie("value"), { noNullPrototype: true }),
}));
const object = fc.dictionary(key, value, { noNullPrototype: true });

describe("canonical JSON", () => {
  it("reads what it wrote, in one spelling", () => {
    fc.assert(fc.property(object, (one) => {
      const written = encodeCanonical(one);
      expect(decodeCanonical(written)).toEqual(one);
      expect(b64(encodeCanonical(decodeCanonical(written)))).toBe(b64(written));
    }));
  });

  it("refuses every other spelling of a value", () => {
    fc.assert(fc.property(object, fc.nat(), fc.constantFrom(" ", "\n", "\t", "\ufeff", ",", "0"), (one, where, extra) => {
      const written = new TextDecoder().decode(encodeCanonical(one));
      const at = where % (written.length + 1);
      const other = written.slice(0, at) + extra + written.slice(at);
      let again: Bytes | undefined;
      try {
        again = encodeCanonical(decodeCanonical(utf8(other)));
      } catch {
        return; // refused
      }
      // Accepted only where the insertion made another value (inside a string or a number), spelled canonically.
      expect(b64(again)).toBe(b64(utf8(other)));
      expect(again.length).not.toBe(written.length);
    }), { numRuns: 300 });
  });

  it("refuses spellings that JSON allows", () => {
    const spellings = ['{"a":1.0}', '{"a":1e3}', '{"a":-0}', '{"a":"\\u0041"}', '{"a":"\\/"}', '{"b":1,"a":2}', '{"a":1,"a":1}', '{"A":1}',
      '{ "a":1}', '[1]', '"x"', "null", '{"a":9007199254740993}', '{"a":"\\ud800"}', '{"__proto__":1}', `{"a":${"[".repeat(16)}${"]".repeat(16)}}`];
    for (const spelling of spellings) expect(() => decodeCanonical(utf8(spelling)), spelling).toThrow(/bad_format/);
  });
});

describe("base64url", () => {
  it("is one text for one sequence of bytes", () => {
    fc.assert(fc.property(bytes(), (one) => { expect([...unb64(b64(one))]).toEqual([...one]); }));
    fc.assert(fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{0,12}$/), (text) => {
      let read: Bytes;
      try {
        read = unb64(text);
      } catch {
        return;
      }
      expect(b64(read)).toBe(text);
    }));
  });
});

describe("the signed form", () => {
  it("comes back, and neither cut nor extended is accepted", () => {
    fc.assert(fc.property(object, fc.array(exactly(64), { minLength: 1, maxLength: 2 }), (one, signatures) => {
      const wire = writeSigned(encodeCanonical(one), signatures);
      expect(readSigned(wire).signatures.map(b64)).toEqual(signatures.map(b64));
      expect(() => readSigned(wire.slice(0, -1))).toThrow(/bad_format/);
      expect(() => readSigned(new Uint8Array([...wire, 0]))).toThrow(/bad_format/);
    }));
  });
});

describe("padding", () => {
  it("comes back, costs at most 12 %, and hides at most what Padme hides", () => {
    fc.assert(fc.property(bytes({ maxLength: 3000 }), exactly(64), (content, trailer) => {
      const padded = pad(content, trailer);
      expect(b64(unpad(padded, 64).content)).toBe(b64(content));
      expect(padded.length).toBeLessThanOrEqual(Math.max(256, (content.length + 68) * 1.12));
    }));
    fc.assert(fc.property(fc.integer({ min: 2, max: 200_000 }), (length) => { expect(padme(padme(length))).toBe(padme(length)); }));
  });
});

describe("a flipped bit", () => {
  const anyBit = fc.nat();

  it("is found by content keys", async () => {
    await fc.assert(fc.asyncProperty(exactly(32), exactly(12), bytes({ maxLength: 200 }), anyBit, async (k, nonce, plain, bit) => {
      const sealed = await aead.seal({ key: k, nonce }, plain);
      expect(b64(await aead.open({ key: k, nonce }, sealed))).toBe(b64(plain));
      expect(await refusal(aead.open({ key: k, nonce }, flipped(sealed, bit % (sealed.length * 8))))).toBe("open_failed");
    }), { numRuns: 50 });
  });

  it("is found by boxes, in every part of them", async () => {
    const own = await encKeyFromSeed(new Uint8Array(32).fill(3));
    const box = await hpkeSeal(own.public, utf8("info"), utf8("secret"));
    await fc.assert(fc.asyncProperty(fc.nat(box.length * 8 - 1), async (bit) => {
      expect(await refusal(own.open(utf8("info"), flipped(box, bit)))).toBe("open_failed");
    }), { numRuns: 60 });
    expect(await refusal(own.open(utf8("other"), box))).toBe("open_failed");
    expect(await refusal(own.open(utf8("info"), box.slice(0, 1135)))).toBe("open_failed");
  });

  it("is found by signatures", async () => {
    const holder = await holderFromSeed(new Uint8Array(32).fill(4));
    await fc.assert(fc.asyncProperty(bytes({ minLength: 1, maxLength: 100 }), fc.nat(511), anyBit, async (data, bit, other) => {
      const signature = await holder.sign(data);
      expect(await verify(holder.signPublic, signature, data)).toBe(true);
      expect(await verify(holder.signPublic, flipped(signature, bit), data)).toBe(false);
      expect(await verify(holder.signPublic, signature, flipped(data, other % (data.length * 8)))).toBe(false);
    }), { numRuns: 40 });
  });
});

describe("codes", () => {
  it("come back however a person writes them", async () => {
    await fc.assert(fc.asyncProperty(exactly(16), fc.constantFrom(" ", "-", "\u2013", "\u00a0", ""), async (code, between) => {
      const typed = (await formatRecoveryCode(code)).toLowerCase().replaceAll("-", between).replaceAll("1", "l").replaceAll("0", "O");
      expect(b64(await readRecoveryCode(typed))).toBe(b64(code));
    }));
  });

  it("with one wrong letter are almost always found out", async () => {
    const wrong = async (): Promise<string> => {
      const typed = await newInvitationCode();
      const swapped = (typed.startsWith("A") ? "B" : "A") + typed.slice(1);
      return refusal(readInvitationCode(swapped));
    };
    const verdicts = await Promise.all(Array.from({ length: 300 }, wrong));
    expect(verdicts.filter((verdict) => verdict === "bad_check").length).toBeGreaterThan(270); // 31 of 32 on average
  });

  it("spell bits, most significant first", () => {
    const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    expect(spell(alphabet, Uint8Array.of(0b00001_000, 0b10_000000), 2)).toBe("BC");
    fc.assert(fc.property(exactly(5), (one) => { expect(b64(unspell(alphabet, spell(alphabet, one, 8)))).toBe(b64(one)); }));
  });
});
