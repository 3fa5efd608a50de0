import { describe, expect, it } from "vitest";
import { utf8, type Bytes } from "./bytes";
import { CloseReason } from "./closeReasons";
import { LocalProtocolError } from "./errors";
import { Direction, MAX_DATA_BYTES, Opener, Sealer } from "./sealing";
import { fromHex, loadVectors, toHex } from "./testing/vectors";

const vectors = loadVectors<{
  key: string;
  stream: number;
  plaintexts: (string | null)[];
  directions: { direction: Direction; records: string[] }[];
}>("sealing");
const key = fromHex(vectors.key);
const { stream } = vectors;
const DOWN = Direction.HOST_TO_VIEWER;
const BROKEN = { closeReason: CloseReason.SEAL_BROKEN };

async function sealOne(sealer: Sealer, text: string, isFinal = false): Promise<Bytes> {
  const [record] = await sealer.seal(utf8(text), isFinal);
  return record ?? new Uint8Array(0);
}

describe("sealed records", () => {
  it.each(vectors.directions)("opens and seals what Python seals (direction $direction)", async (vector) => {
    const opener = new Opener(key, stream, vector.direction);
    const sealer = new Sealer(key, stream, vector.direction);
    for (const [index, plaintext] of vectors.plaintexts.entries()) {
      const isFinal = index === vectors.plaintexts.length - 1;
      const record = vector.records[index] ?? "";
      const opened = await opener.open(fromHex(record));
      expect(opened).toEqual(plaintext === null ? null : { data: fromHex(plaintext), isFinal });
      const sealed = plaintext === null ? [await sealer.rekey()] : await sealer.seal(fromHex(plaintext), isFinal);
      expect(sealed.map(toHex)).toEqual([record]);
    }
  });

  it("rekeys by itself at the limit", async () => {
    const sealer = new Sealer(key, stream, DOWN, { rekeyRecords: 4 });
    const opener = new Opener(key, stream, DOWN);
    const counts: number[] = [];
    for (let index = 0; index < 8; index += 1) {
      const records = await sealer.seal(utf8("x"));
      counts.push(records.length);
      for (const record of records) await opener.open(record);
    }
    expect(counts).toEqual([1, 1, 1, 2, 1, 1, 2, 1]);
  });

  it("stops opening at the limit of records under one key", async () => {
    const sealer = new Sealer(key, stream, DOWN);
    const opener = new Opener(key, stream, DOWN, { maxRecords: 1 });
    await opener.open(await sealOne(sealer, "a"));
    await expect(opener.open(await sealOne(sealer, "b"))).rejects.toMatchObject(BROKEN);
  });

  it("refuses a replayed record and everything after it", async () => {
    const sealer = new Sealer(key, stream, DOWN);
    const opener = new Opener(key, stream, DOWN);
    const first = await sealOne(sealer, "a");
    await opener.open(first);
    await expect(opener.open(first)).rejects.toMatchObject(BROKEN);
    await expect(opener.open(await sealOne(sealer, "b"))).rejects.toMatchObject(BROKEN);
  });

  it("notices a record left out", async () => {
    const sealer = new Sealer(key, stream, DOWN);
    await sealer.seal(utf8("lost"));
    await expect(new Opener(key, stream, DOWN).open(await sealOne(sealer, "b"))).rejects.toMatchObject(BROKEN);
  });

  it.each([
    ["another stream", new Sealer(key, stream + 1, DOWN)],
    ["another direction", new Sealer(key, stream, Direction.VIEWER_TO_HOST)],
    ["another key", new Sealer(new Uint8Array(32), stream, DOWN)],
  ])("refuses a record of %s", async (_name, sealer) => {
    await expect(new Opener(key, stream, DOWN).open(await sealOne(sealer, "x"))).rejects.toMatchObject(BROKEN);
  });

  it("notices any flipped byte", async () => {
    for (let position = 0; position < 18; position += 1) {
      const record = await sealOne(new Sealer(key, stream, DOWN), "x");
      record[position] = (record[position] ?? 0) ^ 1;
      await expect(new Opener(key, stream, DOWN).open(record)).rejects.toMatchObject(BROKEN);
    }
  });

  it.each([0, 1, 16, MAX_DATA_BYTES + 18])("refuses %i arbitrary bytes", async (size) => {
    await expect(new Opener(key, stream, DOWN).open(new Uint8Array(size))).rejects.toMatchObject(BROKEN);
  });

  it("takes the longest plaintext, and not a byte more", async () => {
    const sealer = new Sealer(key, stream, DOWN);
    const [record] = await sealer.seal(new Uint8Array(MAX_DATA_BYTES));
    const opened = await new Opener(key, stream, DOWN).open(record ?? new Uint8Array(0));
    expect(opened?.data.length).toBe(MAX_DATA_BYTES);
    await expect(sealer.seal(new Uint8Array(MAX_DATA_BYTES + 1))).rejects.toThrow(LocalProtocolError);
  });

  it("lets nothing follow the final record", async () => {
    const sealer = new Sealer(key, stream, DOWN);
    await sealer.seal(utf8("end"), true);
    await expect(sealer.seal(utf8("more"))).rejects.toThrow(LocalProtocolError);
    await expect(sealer.rekey()).rejects.toThrow(LocalProtocolError);
  });
});
