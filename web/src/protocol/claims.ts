/** What host and viewer say to each other when pairing (docs/protocol.md §5); see `relay/protocol/claims.py`. */
import type { Bytes } from "./bytes";
import { binary, boolean, decodeMap, encodeMap, integer, text, texts } from "./maps";

const CLAIMS = { technician: text, company: text, kinds: texts, lifetime: integer(1, 10 * 365 * 86_400) };
const FACTS = { computer: text, os: text, user: text, key: binary(32) };
const ANSWER = { allowed: boolean };

/** What the viewer says about itself; shown to the customer. */
export interface PairClaims {
  technician: string;
  company: string;
  /** The channels asked for. */
  kinds: string[];
  /** Seconds from activation. */
  lifetime: number;
}

/** What the host says about itself. Untrusted text: clean it before showing. */
export interface PairFacts {
  computer: string;
  os: string;
  user: string;
  /** 32 bytes, the host's public key (Ed25519). */
  key: Bytes;
}

export function packClaims(claims: PairClaims): Bytes {
  const { technician, company, kinds, lifetime } = claims;
  return encodeMap({ technician, company, kinds, lifetime });
}

/** @throws RemoteProtocolError with BAD_FRAME. */
export function unpackClaims(data: Uint8Array): PairClaims {
  return decodeMap(data, CLAIMS, "viewer's claims");
}

/** @throws RemoteProtocolError with BAD_FRAME. */
export function unpackFacts(data: Uint8Array): PairFacts {
  return decodeMap(data, FACTS, "host's facts");
}

/** Whether the customer allowed. @throws RemoteProtocolError with BAD_FRAME. */
export function unpackAnswer(data: Uint8Array): boolean {
  return decodeMap(data, ANSWER, "customer's answer").allowed;
}

/** The viewer's word that it keeps the pairing key. */
export function packStored(): Bytes {
  return encodeMap({ stored: true });
}
