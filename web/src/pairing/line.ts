/** The pairing driver's line to a waiting host: a viewer connection with a `pair` ticket (docs/protocol.md §5). */
import { api } from "../api/client";
import { followClock } from "../api/clock";
import type { Me, Session, Tool } from "../api/types";
import type { Pending } from "../keeping/pending";
import { storePairingKey } from "../keeping/pairingKeys";
import type { PairClaims } from "../protocol/claims";
import { CloseReason } from "../protocol/closeReasons";
import { decodeBase64url, SECRET_BYTES } from "../protocol/links";
import { wrapPairingKey } from "../protocol/wrapping";
import { TunnelClient } from "../tunnel/client";
import { pair } from "../tunnel/pair";
import { StreamClosed } from "../tunnel/streams";
import { KeyNotKept, type PairLine, type PairOutcome } from "./driver";

/** What this page calls itself in the relay's log. */
export const PROGRAM = "console";
export const TICKET_BYTES = 32;

/** In the order of the relay's own table: both sides compare what is claimed. */
const TOOLS: readonly Tool[] = ["control", "files", "dashboard", "shell", "chat"];

const OUTCOMES: ReadonlyMap<CloseReason, PairOutcome> = new Map([
  [CloseReason.WRONG_CODE, "wrong_code"],
  [CloseReason.DECLINED, "declined"],
  [CloseReason.TOO_MANY_TRIES, "too_many_tries"],
  [CloseReason.HOST_OFFLINE, "host_offline"],
]);

/**
 * Dials and is admitted.
 *
 * @throws ApiProblem, Unreachable if there is no ticket; StreamClosed if the relay does not admit.
 */
export async function openPairLine(session: Session, me: Me, signal: AbortSignal): Promise<PairLine> {
  const ticket = await api.ticket(session.id, ["pair"]);
  signal.throwIfAborted();
  const client = new TunnelClient({
    url: ticket.url,
    ticket: decodeBase64url(ticket.ticket, TICKET_BYTES),
    program: PROGRAM,
  });
  const welcome = await client.whenWelcome();
  followClock(welcome.now);
  return new Line(client, session.id, claimsOf(session, me), welcome.attempts);
}

/** What the customer is shown, and what the host checks against the relay's word. */
export function claimsOf(session: Session, me: Me): PairClaims {
  return {
    technician: me.technician.name,
    company: me.company.name,
    kinds: TOOLS.filter((tool) => session.tools[tool]?.allowed === true),
    lifetime: Math.round(me.company.session_lifetime),
  };
}

class Line implements PairLine {
  constructor(
    private readonly client: TunnelClient,
    private readonly session: string,
    private readonly claims: PairClaims,
    /** Tries counted over the whole session. */
    private attempts: number,
  ) {
    client.on("notice", (notice) => {
      if (notice.name === "tries") this.attempts = notice.attempts;
    });
  }

  async pair(
    pending: Pending,
    onStep: (step: "checking" | "asking") => void,
    signal: AbortSignal,
  ): Promise<PairOutcome> {
    // The relay counts a try, and says so, when the customer has typed a code.
    const unsubscribe = this.client.on("notice", (notice) => {
      if (notice.name === "tries") onStep("checking");
    });
    try {
      return await this.#pair(pending, onStep, signal);
    } catch (error) {
      if (!(error instanceof StreamClosed) || this.client.closeReason !== null || signal.aborted) throw error;
      return OUTCOMES.get(error.reason) ?? "failed";
    } finally {
      unsubscribe();
    }
  }

  close(): void {
    this.client.close();
  }

  async #pair(
    pending: Pending,
    onStep: (step: "asking") => void,
    signal: AbortSignal,
  ): Promise<PairOutcome> {
    const pairing = await pair(this.client, {
      origin: location.origin,
      session: this.session,
      codeNumber: pending.slot,
      attempt: this.attempts + 1,
      inviteSecret: decodeBase64url(pending.secret, SECRET_BYTES),
      securityCode: pending.code,
      claims: this.claims,
      signal,
    });
    onStep("asking");
    // Half a second of arithmetic, while the customer reads.
    const wrapping = pending.keepsKeyHere ? null : wrapPairingKey(pairing.pairingKey, pending.password, this.session);
    if (!(await pairing.waitAnswer())) return "declined";
    try {
      await storePairingKey(this.session, pairing.pairingKey);
    } catch (error) {
      pairing.cancel();
      throw new KeyNotKept(error instanceof Error ? error.message : String(error));
    }
    await pairing.finish(await wrapping);
    return "paired";
  }
}
