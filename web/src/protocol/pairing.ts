/**
 * Pairing and connecting: the viewer's end of the CPace handshake (docs/protocol.md §5). `relay/protocol/pairing.py`
 * explains it and has the host's end.
 *
 *     openParams()              ── OPEN {nonce, claims …} ──▶
 *     receiveAccept() → payload ◀── ACCEPT {nonce, share, facts}
 *                               ── DATA {share, tag} ───────▶
 *     receiveConfirmation()     ◀── DATA {tag}
 *       → Keys
 *
 * An object makes one try; any error ends it for good.
 */
import { randomBytes, u32, u64, utf8, type Bytes } from "./bytes";
import { packClaims, unpackFacts, type PairClaims } from "./claims";
import { CloseReason } from "./closeReasons";
import { normaliseAccessPassword } from "./codes";
import * as cpace from "./cpace";
import { LocalProtocolError, WrongSecret } from "./errors";
import type { Channel, Fields } from "./frames";
import { hkdf } from "./hkdf";
import { binary, binaryUpTo, checkMap, decodeMap, encodeMap, MAX_MAP_BYTES } from "./maps";
import { Direction, maxDataBytesOf, Opener, Sealer } from "./sealing";

export const NONCE_BYTES = 16;
export const PAIRING_KEY_BYTES = 32;
/** Claims or facts of a channel that has none. */
export const NO_DETAILS: Bytes = encodeMap({});

const ACCEPT = { nonce: binary(NONCE_BYTES), share: binary(cpace.SHARE_BYTES), facts: binaryUpTo(MAX_MAP_BYTES) };
const CONFIRMATION = { tag: binary(cpace.TAG_BYTES) };

export type Random = (size: number) => Bytes;

/** Where a handshake belongs; the same on both sides. */
export interface Place {
  /** The relay's, spelled as in the deployment link. */
  origin: string;
  session: string;
  /** The id that this handshake's stream is going to have. */
  stream: number;
}

export interface PairingSecrets {
  /** Which of the session's security codes it is, 1 … 3. */
  codeNumber: number;
  /** This try's number in the session, 1 … 15, greater than all before. */
  attempt: number;
  /** 16 bytes, from the deployment link. */
  inviteSecret: Bytes;
  /** 9 ASCII digits. */
  securityCode: string;
  claims: PairClaims;
}

export interface ConnectionSecrets {
  /** 32 bytes, from the pairing. */
  pairingKey: Bytes;
  /** As typed. */
  accessPassword: string;
  /** A msgpack map of the tool's options, at most 4096 bytes. */
  claims?: Bytes;
}

/** What a finished handshake yields. */
export interface Keys {
  /** For what this viewer sends. */
  readonly sealer: Sealer;
  /** For what the host sends. */
  readonly opener: Opener;
  /** 32 bytes to keep, after pairing; null after connecting. */
  readonly pairingKey: Bytes | null;
}

/** The values that follow from both sides' secrets; raw, for the vectors' sake. */
export interface DerivedKeys {
  viewerToHost: Bytes;
  hostToViewer: Bytes;
  pairingKey: Bytes | null;
}

type Step = "new" | "opened" | "accepted" | "over";

export class ViewerHandshake {
  /** What this side says, packed. */
  readonly claims: Bytes;
  /** What the host says, packed; after `receiveAccept`, proven after `receiveConfirmation`. */
  facts: Bytes = NO_DETAILS;
  readonly #channel: Channel;
  readonly #place: Place;
  readonly #prs: Bytes;
  readonly #attempt: { attempt: number; code: number };
  readonly #nonce: Bytes;
  readonly #scalar: Bytes;
  #step: Step = "new";
  #pending: { derived: DerivedKeys; verify: (tag: Bytes) => Promise<boolean> } | null = null;

  private constructor(
    channel: Channel,
    place: Place,
    prs: Bytes,
    attempt: { attempt: number; code: number },
    claims: Bytes,
    random: Random,
  ) {
    this.#channel = channel;
    this.#place = place;
    this.#prs = prs;
    this.#attempt = attempt;
    this.claims = claims;
    this.#nonce = random(NONCE_BYTES);
    this.#scalar = random(cpace.SCALAR_BYTES);
  }

  /** A try to pair. */
  static forPairing(place: Place, secrets: PairingSecrets, random: Random = randomBytes): ViewerHandshake {
    const prs = cpace.lvCat(utf8("adhoc.v1 pair"), secrets.inviteSecret, utf8(secrets.securityCode));
    const attempt = { attempt: secrets.attempt, code: secrets.codeNumber };
    return new ViewerHandshake("pair", place, prs, attempt, packClaims(secrets.claims), random);
  }

  /**
   * The beginning of a stream on any other channel.
   *
   * @throws CodeError if the access password cannot be one.
   */
  static forConnection(
    channel: Exclude<Channel, "pair">,
    place: Place,
    secrets: ConnectionSecrets,
    random: Random = randomBytes,
  ): ViewerHandshake {
    const password = utf8(normaliseAccessPassword(secrets.accessPassword));
    const prs = cpace.lvCat(utf8("adhoc.v1 connect"), secrets.pairingKey, password);
    return new ViewerHandshake(channel, place, prs, { attempt: 0, code: 0 }, secrets.claims ?? NO_DETAILS, random);
  }

  /** The params of the OPEN frame. */
  openParams(): Fields {
    this.#begin("new");
    this.#step = "opened";
    const attempt = this.#channel === "pair" ? this.#attempt : {};
    return { nonce: this.#nonce, ...attempt, claims: this.claims };
  }

  /**
   * Takes the params of the host's ACCEPT; gives the payload of this stream's first DATA frame.
   *
   * @throws RemoteProtocolError with BAD_FRAME or SEAL_BROKEN.
   */
  async receiveAccept(params: Fields): Promise<Bytes> {
    this.#begin("opened");
    const accept = checkMap(params, ACCEPT, "host's answer");
    this.facts = accept.facts;
    if (this.#channel === "pair") unpackFacts(this.facts);
    const sid = await this.#sessionId(accept.nonce);
    const share = await cpace.multiply(this.#scalar, await this.#generator(sid));
    const k = await cpace.multiply(this.#scalar, cpace.checkShare(accept.share));
    const transcript = cpace.makeTranscript(accept.share, this.facts, share, this.claims);
    const isk = await cpace.deriveIsk(sid, k, transcript);
    const key = await cpace.confirmationKey(isk, sid);
    this.#pending = {
      derived: await this.#derive(isk, sid),
      verify: (tag) => cpace.verifyConfirmation(key, tag, accept.share, this.facts),
    };
    this.#step = "accepted";
    return encodeMap({ share, tag: await cpace.confirmationTag(key, share, this.claims) });
  }

  /**
   * Takes the payload of the host's first DATA frame; from here on `facts` are proven.
   *
   * @throws WrongSecret if the host does not know the same secret, RemoteProtocolError with BAD_FRAME.
   */
  async receiveConfirmation(payload: Bytes): Promise<Keys> {
    const derived = await this.confirm(payload);
    const { stream } = this.#place;
    const options = { maxDataBytes: maxDataBytesOf(this.#channel) };
    return {
      sealer: new Sealer(derived.viewerToHost, stream, Direction.VIEWER_TO_HOST, options),
      opener: new Opener(derived.hostToViewer, stream, Direction.HOST_TO_VIEWER, options),
      pairingKey: derived.pairingKey,
    };
  }

  /** `receiveConfirmation`, but with the bare keys. */
  async confirm(payload: Bytes): Promise<DerivedKeys> {
    this.#begin("accepted");
    const { tag } = decodeMap(payload, CONFIRMATION, "host's confirmation");
    if (this.#pending === null || !(await this.#pending.verify(tag))) {
      throw new WrongSecret(this.#channel === "pair" ? CloseReason.WRONG_CODE : CloseReason.WRONG_PASSWORD);
    }
    return this.#pending.derived;
  }

  /** Enters a step. Until the step sets the next one, the handshake counts as failed. */
  #begin(step: Step): void {
    const isInOrder = this.#step === step;
    this.#step = "over";
    if (!isInOrder) throw new LocalProtocolError("This handshake is over or its steps came out of order.");
  }

  async #sessionId(hostNonce: Bytes): Promise<Bytes> {
    const { origin, session, stream } = this.#place;
    const parts = cpace.lvCat(
      utf8(origin),
      utf8(session),
      utf8(this.#channel),
      u32(stream),
      u64(this.#attempt.code),
      u64(this.#attempt.attempt),
      this.#nonce,
      hostNonce,
    );
    return new Uint8Array(await crypto.subtle.digest("SHA-256", parts));
  }

  #generator(sid: Bytes): Promise<Bytes> {
    const { origin, session } = this.#place;
    const ci = cpace.lvCat(utf8("adhoc.v1"), utf8(this.#channel), utf8(origin), utf8(session));
    return cpace.calculateGenerator(this.#prs, ci, sid);
  }

  async #derive(isk: Bytes, sid: Bytes): Promise<DerivedKeys> {
    const record = (direction: string): Bytes =>
      cpace.lvCat(utf8("adhoc.v1 record"), u32(this.#place.stream), utf8(direction));
    return {
      viewerToHost: await hkdf(isk, sid, record("v2h")),
      hostToViewer: await hkdf(isk, sid, record("h2v")),
      pairingKey: this.#channel === "pair" ? await hkdf(isk, sid, utf8("adhoc.v1 pairing key")) : null,
    };
  }
}
