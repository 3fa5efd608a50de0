/** Pairing with a new host (docs/protocol.md §5): the security code, the customer's "Allow", the pairing key. */
import type { Bytes } from "../protocol/bytes";
import { packStored, unpackAnswer, unpackFacts, type PairFacts } from "../protocol/claims";
import { CloseReason } from "../protocol/closeReasons";
import { LocalProtocolError } from "../protocol/errors";
import { ViewerHandshake, type PairingSecrets } from "../protocol/pairing";
import type { TunnelClient } from "./client";
import { SealedChannel, type SessionPlace } from "./sealedChannel";
import { StreamClosed } from "./streams";

export interface PairOptions extends SessionPlace, PairingSecrets {
  /** Aborting it ends the try. */
  signal?: AbortSignal;
}

/**
 * One try to pair; resolves once the customer has typed the right code.
 *
 * @throws StreamClosed with WRONG_CODE if they typed another one, TOO_MANY_TRIES, HOST_OFFLINE, …
 */
export async function pair(client: TunnelClient, options: PairOptions): Promise<Pairing> {
  const { origin, session, signal, ...secrets } = options;
  const make = (stream: number): ViewerHandshake =>
    ViewerHandshake.forPairing({ origin, session, stream }, secrets);
  const channel = await SealedChannel.open(client, "pair", make, signal);
  return new Pairing(client, channel, options.attempt);
}

/** A code that was right: the host has proven `facts`, and `pairingKey` is known to it and this viewer only. */
export class Pairing {
  readonly facts: PairFacts;
  readonly pairingKey: Bytes;

  constructor(
    private readonly client: TunnelClient,
    private readonly channel: SealedChannel,
    readonly attempt: number,
  ) {
    if (channel.pairingKey === null) throw new LocalProtocolError("Only a pair stream yields a pairing key.");
    this.facts = unpackFacts(channel.facts);
    this.pairingKey = channel.pairingKey;
  }

  /**
   * Whether the customer pressed "Allow".
   *
   * @throws StreamClosed if the stream was closed for another reason than their refusal.
   */
  async waitAnswer(): Promise<boolean> {
    try {
      const answer = await this.channel.receive();
      return answer !== null && unpackAnswer(answer);
    } catch (error) {
      if (error instanceof StreamClosed && error.reason === CloseReason.DECLINED) return false;
      throw error;
    }
  }

  /**
   * Tells host and relay that the pairing key is stored; call it only once it is.
   *
   * @param wrapped the pairing key for the technician's other browsers (`wrapPairingKey`), or null to keep it
   *   here only.
   */
  async finish(wrapped: Bytes | null): Promise<void> {
    await this.channel.send(packStored());
    this.client.sendNotice("paired", { attempt: this.attempt, wrapped });
    this.channel.close(CloseReason.DONE);
  }

  /** Gives the pairing up. */
  cancel(): void {
    this.channel.close(CloseReason.DETACHED);
  }
}
