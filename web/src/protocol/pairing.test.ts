import { describe, expect, it } from "vitest";
import type { PairClaims } from "./claims";
import { unpackClaims, unpackFacts } from "./claims";
import { CloseReason } from "./closeReasons";
import { LocalProtocolError, RemoteProtocolError, WrongSecret } from "./errors";
import type { Fields } from "./frames";
import { encodeMap } from "./maps";
import { ViewerHandshake } from "./pairing";
import { countingBytes, fromHex, loadVectors, toHex } from "./testing/vectors";

interface Run {
  open: Record<string, string | number>;
  accept: { nonce: string; share: string; facts: string };
  share: string;
  confirmation: string;
  viewer_to_host: string;
  host_to_viewer: string;
  pairing_key: string | null;
}

const vectors = loadVectors<{
  origin: string;
  session: string;
  stream: number;
  invite_secret: string;
  security_code: string;
  code: number;
  attempt: number;
  claims: PairClaims;
  facts: { computer: string; os: string; user: string; key: string };
  pair: Run;
  channel: "control";
  connect_pairing_key: string;
  access_password: string;
  connect: Run;
}>("pairing");
const { origin, session, stream } = vectors;
const place = { origin, session, stream };

function pairing(securityCode = vectors.security_code): ViewerHandshake {
  return ViewerHandshake.forPairing(
    place,
    {
      codeNumber: vectors.code,
      attempt: vectors.attempt,
      inviteSecret: fromHex(vectors.invite_secret),
      securityCode,
      claims: vectors.claims,
    },
    countingBytes(1),
  );
}

function connecting(accessPassword = vectors.access_password): ViewerHandshake {
  const secrets = { pairingKey: fromHex(vectors.connect_pairing_key), accessPassword };
  return ViewerHandshake.forConnection(vectors.channel, place, secrets, countingBytes(51));
}

function acceptOf(run: Run): Fields {
  return {
    nonce: fromHex(run.accept.nonce),
    share: fromHex(run.accept.share),
    facts: fromHex(run.accept.facts),
  };
}

describe.each([
  ["pairing", pairing, vectors.pair, CloseReason.WRONG_CODE],
  ["connecting", connecting, vectors.connect, CloseReason.WRONG_PASSWORD],
] as const)("%s", (_name, make, run, wrong) => {
  it("says and derives what Python does", async () => {
    const viewer = make();
    const opening = Object.entries(viewer.openParams()).map(([key, value]) => [
      key,
      value instanceof Uint8Array ? toHex(value) : value,
    ]);
    expect(Object.fromEntries(opening)).toEqual(run.open);
    expect(toHex(await viewer.receiveAccept(acceptOf(run)))).toBe(run.share);
    const keys = await viewer.confirm(fromHex(run.confirmation));
    expect(toHex(keys.viewerToHost)).toBe(run.viewer_to_host);
    expect(toHex(keys.hostToViewer)).toBe(run.host_to_viewer);
    expect(keys.pairingKey && toHex(keys.pairingKey)).toBe(run.pairing_key);
  });

  it("names a host that does not know the secret", async () => {
    const viewer = make();
    viewer.openParams();
    await viewer.receiveAccept(acceptOf(run));
    const refused = viewer.receiveConfirmation(encodeMap({ tag: new Uint8Array(64) }));
    await expect(refused).rejects.toThrow(WrongSecret);
    await expect(refused).rejects.toMatchObject({ closeReason: wrong });
    await expect(viewer.receiveConfirmation(fromHex(run.confirmation))).rejects.toThrow(LocalProtocolError);
  });

  it("does not take the confirmation meant for another secret", async () => {
    const viewer = make("987654321");
    viewer.openParams();
    await viewer.receiveAccept(acceptOf(run));
    await expect(viewer.receiveConfirmation(fromHex(run.confirmation))).rejects.toThrow(WrongSecret);
  });

  it.each([
    { share: new Uint8Array(31) },
    { nonce: new Uint8Array(17) },
    { nonce: null },
    { facts: "text" },
    { more: 1 },
  ] as Fields[])("refuses an ACCEPT of another shape (%#)", async (change) => {
    const viewer = make();
    viewer.openParams();
    const refused = viewer.receiveAccept({ ...acceptOf(run), ...change });
    await expect(refused).rejects.toMatchObject({ closeReason: CloseReason.BAD_FRAME });
  });

  it.each(["00".repeat(32), "ff".repeat(32)])("breaks the seal at the weak share %s", async (share) => {
    const viewer = make();
    viewer.openParams();
    const refused = viewer.receiveAccept({ ...acceptOf(run), share: fromHex(share) });
    await expect(refused).rejects.toMatchObject({ closeReason: CloseReason.SEAL_BROKEN });
  });

  it.each(["", "80", "c1", "81a374616701", "81a3746167c400", "81a3746167c40000"])(
    "refuses the confirmation %s",
    async (payload) => {
      const viewer = make();
      viewer.openParams();
      await viewer.receiveAccept(acceptOf(run));
      await expect(viewer.receiveConfirmation(fromHex(payload))).rejects.toThrow(RemoteProtocolError);
    },
  );

  it("refuses steps out of order", async () => {
    const viewer = make();
    await expect(viewer.receiveAccept(acceptOf(run))).rejects.toThrow(LocalProtocolError);
    expect(() => viewer.openParams()).toThrow(LocalProtocolError);
  });
});

describe("claims and facts", () => {
  it("are packed as Python packs them", () => {
    const { key, ...names } = vectors.facts;
    expect(unpackClaims(fromHex(String(vectors.pair.open["claims"])))).toEqual(vectors.claims);
    expect(unpackFacts(fromHex(vectors.pair.accept.facts))).toEqual({ ...names, key: fromHex(key) });
  });

  it("refuses facts of another shape on a pair stream", async () => {
    const viewer = pairing();
    viewer.openParams();
    const accept = { ...acceptOf(vectors.pair), facts: encodeMap({}) };
    await expect(viewer.receiveAccept(accept)).rejects.toMatchObject({ closeReason: CloseReason.BAD_FRAME });
  });
});
