import { describe, expect, it } from "vitest";
import { CloseReason } from "./closeReasons";
import * as cpace from "./cpace";
import { RemoteProtocolError } from "./errors";
import { fromHex, loadVectors, toHex } from "./testing/vectors";

const vectors = loadVectors<{
  G_X25519: Record<string, string>;
  X25519_low_order_points: Record<string, string>;
}>("cpace-x25519-sha512");
const run = (name: string) => fromHex(vectors.G_X25519[name] ?? "");

describe("CPace", () => {
  it("makes the draft's generator", async () => {
    expect(toHex(await cpace.calculateGenerator(run("PRS"), run("CI"), run("sid")))).toBe(toHex(run("g")));
  });

  it.each(["a", "b"])("makes the draft's share %s", async (side) => {
    expect(toHex(await cpace.multiply(run(`y${side}`), run("g")))).toBe(toHex(run(`Y${side}`)));
  });

  it.each([
    ["ya", "Yb"],
    ["yb", "Ya"],
  ])("reaches the draft's session key from %s", async (scalar, share) => {
    const k = await cpace.multiply(run(scalar), cpace.checkShare(run(share)));
    const transcript = cpace.makeTranscript(run("Ya"), run("ADa"), run("Yb"), run("ADb"));
    expect(toHex(k)).toBe(toHex(run("K")));
    expect(toHex(await cpace.deriveIsk(run("sid"), k, transcript))).toBe(toHex(run("ISK_IR")));
  });

  it.each(Object.entries(vectors.X25519_low_order_points))("refuses %s", async (_name, point) => {
    const refused = (async () => cpace.multiply(run("ya"), cpace.checkShare(fromHex(point))))();
    await expect(refused).rejects.toThrow(RemoteProtocolError);
    await expect(refused).rejects.toMatchObject({ closeReason: CloseReason.SEAL_BROKEN });
  });

  it("takes the largest canonical share and refuses the next", () => {
    const share = fromHex(`ec${"ff".repeat(30)}7f`);
    expect(cpace.checkShare(share)).toBe(share);
    share[0] = 0xed;
    expect(() => cpace.checkShare(share)).toThrow(RemoteProtocolError);
  });

  it.each([0, 1, 127, 128, 300, 20_000])("puts a length of %i in LEB128", (size) => {
    const encoded = cpace.lvCat(new Uint8Array(size));
    const header = encoded.subarray(0, encoded.length - size);
    expect(header.reduceRight((length, byte) => length * 128 + (byte & 0x7f), 0)).toBe(size);
    expect(header.every((byte, index) => byte >= 0x80 === index < header.length - 1)).toBe(true);
  });
});
