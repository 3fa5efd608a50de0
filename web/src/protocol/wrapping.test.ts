import { describe, expect, it } from "vitest";
import { CloseReason } from "./closeReasons";
import { RemoteProtocolError } from "./errors";
import { countingBytes, fromHex, loadVectors, toHex } from "./testing/vectors";
import { unwrapPairingKey, wrapPairingKey } from "./wrapping";

const vectors = loadVectors<{
  pairing_key: string;
  access_password: string;
  session: string;
  wrapped: string;
}>("wrapping");

describe("the wrapped pairing key", () => {
  it("is wrapped and unwrapped as in Python", async () => {
    const key = fromHex(vectors.pairing_key);
    const wrapped = await wrapPairingKey(key, vectors.access_password, vectors.session, countingBytes(100));
    expect(toHex(wrapped)).toBe(vectors.wrapped);
    expect(await unwrapPairingKey(wrapped, vectors.access_password.normalize("NFD"), vectors.session)).toEqual(key);
  });

  it("does not open with another password or for another session", async () => {
    const wrapped = fromHex(vectors.wrapped);
    const wrong = { closeReason: CloseReason.WRONG_PASSWORD };
    await expect(unwrapPairingKey(wrapped, "other", vectors.session)).rejects.toMatchObject(wrong);
    await expect(unwrapPairingKey(wrapped, vectors.access_password, "s_other")).rejects.toMatchObject(wrong);
  });

  it("has one length", async () => {
    await expect(unwrapPairingKey(new Uint8Array(75), "x", "s")).rejects.toThrow(RemoteProtocolError);
  });
});
