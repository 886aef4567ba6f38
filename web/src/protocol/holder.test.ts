import { beforeEach, describe, expect, it } from "vitest";

import { createAccount, unlock } from "./account.ts";
import { DeviceKeys, selfTest, type StoredDevice } from "./holder.ts";
import { hpkeEngine, hpkeSeal } from "./hpke.ts";
import { utf8 } from "./codec.ts";
import { NOW, refusal } from "./testing/people.ts";

describe("a device that keeps its keys", () => {
  let device: DeviceKeys;

  beforeEach(async () => {
    device = await DeviceKeys.create();
  });

  it("comes back from what was stored and still opens and signs", async () => {
    const stored = structuredClone(device.stored);
    const account = await createAccount({ device, deviceName: "Cabinet", at: NOW });
    const box = account.boxes.find(({ holder }) => holder === device.id)!.box;
    const again = await DeviceKeys.load(stored);
    expect(again.id).toBe(device.id);
    expect(await selfTest(again)).toBe(true);
    expect(await refusal(unlock({ chain: account.chain, holder: again, box, generation: 1, previous: [] }))).toBe("accepted");
  });

  it("hands out no secret key", async () => {
    const { signKey, wrapKey } = device.stored;
    expect([signKey.extractable, wrapKey.extractable]).toEqual([false, false]);
    await expect(crypto.subtle.exportKey("pkcs8", signKey)).rejects.toThrow();
    await expect(crypto.subtle.exportKey("raw", wrapKey)).rejects.toThrow();
    expect(JSON.stringify(device)).not.toContain("seed\":");
  });

  it("whose stored seed was touched does not load", async () => {
    const wrappedSeed = device.stored.wrappedSeed.slice();
    wrappedSeed[20] = (wrappedSeed[20] ?? 0) ^ 1;
    const touched: StoredDevice = { ...device.stored, wrappedSeed };
    expect(await refusal(DeviceKeys.load(touched))).toBe("open_failed");
  });

  it("with a foreign signature key is found out before it is used", async () => {
    const other = await DeviceKeys.create();
    const mixed = await DeviceKeys.load({ ...device.stored, signKey: other.stored.signKey });
    expect(await selfTest(mixed)).toBe(false);
  });
});

describe("the HPKE engine", () => {
  it("is noble where the runtime has no X-Wing", async () => {
    expect(await hpkeEngine()).toBe("noble");
  });

  it("refuses to seal to a key that is none", async () => {
    expect(await refusal(hpkeSeal(new Uint8Array(1216).fill(0xff), utf8(""), utf8("")))).toBe("weak_key");
    expect(await refusal(hpkeSeal(new Uint8Array(1215), utf8(""), utf8("")))).toBe("bad_format");
  });
});
