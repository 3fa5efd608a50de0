/**
 * Why things end: the table of `relay/protocol/close_reasons.py`, which explains it. A test compares the two.
 */
export class CloseReason {
  private constructor(
    /** What travels in a CLOSE frame. */
    readonly wire: string,
    /** The WebSocket close code of a whole connection. */
    readonly wsCode: number,
    /** What a person is told when nothing better is known; the source text of the translations. */
    readonly sentence: string,
    /** Whether a peer that is told so may come back by itself. */
    readonly mayReturn: boolean,
  ) {}

  static readonly ENDED_BY_TECHNICIAN = new CloseReason("technician", 4000, "The technician ended the session.", false);
  static readonly ENDED_BY_CUSTOMER = new CloseReason("customer", 4001, "The customer ended the session.", false);
  static readonly EXPIRED = new CloseReason("expired", 4002, "The session's time is over.", false);
  static readonly LAPSED = new CloseReason("lapsed", 4003, "The session was never activated and its preparation lapsed.", false);
  static readonly GUESSES = new CloseReason("guesses", 4004, "Too many wrong security codes; the session was ended.", false);
  static readonly SUSPENDED = new CloseReason("suspended", 4005, "The company's account is suspended.", false);
  static readonly NORMAL = new CloseReason("normal", 1000, "Closed.", false);
  static readonly GOING_AWAY = new CloseReason("going_away", 4010, "The relay is restarting; reconnecting shortly.", true);
  static readonly REPLACED = new CloseReason("replaced", 4011, "The session was opened on another computer or connection.", false);
  static readonly REVOKED = new CloseReason("revoked", 4012, "The right to be connected was withdrawn.", false);
  static readonly REFUSED = new CloseReason("refused", 4013, "This link, ticket or session is not valid (any more).", false);
  static readonly LIMIT = new CloseReason("limit", 4014, "Too many at once; try again in a moment.", true);
  static readonly HANDSHAKE_TIMEOUT = new CloseReason("handshake_timeout", 4015, "The other side did not say who it is in time.", true);
  static readonly DEAD = new CloseReason("dead", 4016, "The connection went silent.", true);
  static readonly STALLED = new CloseReason("stalled", 4017, "The other side reads too slowly.", true);
  static readonly INTERNAL = new CloseReason("internal", 4018, "Something went wrong inside the relay.", true);
  static readonly BAD_WEBSOCKET = new CloseReason("bad_websocket", 1002, "The WebSocket framing is broken.", true);
  static readonly TEXT_MESSAGE = new CloseReason("text_message", 1003, "Only binary messages are allowed here.", true);
  static readonly TOO_LARGE = new CloseReason("too_large", 1009, "A message is too large.", true);
  static readonly BAD_FRAME = new CloseReason("bad_frame", 4020, "A frame could not be understood.", true);
  static readonly OUT_OF_ORDER = new CloseReason("out_of_order", 4021, "A frame came at the wrong time.", true);
  static readonly BAD_VERSION = new CloseReason("bad_version", 4022, "This program speaks another version of the protocol.", false);
  static readonly CREDIT_EXCEEDED = new CloseReason("credit_exceeded", 4023, "More was sent than the receiver allowed.", true);
  static readonly TOO_MANY_STREAMS = new CloseReason("too_many_streams", 4024, "Too many streams are open.", true);
  static readonly DONE = new CloseReason("done", 4030, "Finished.", false);
  static readonly HOST_OFFLINE = new CloseReason("host_offline", 4031, "The computer is offline.", true);
  static readonly DETACHED = new CloseReason("detached", 4032, "The technician detached.", true);
  static readonly NOT_ACTIVE = new CloseReason("not_active", 4033, "The session is not active yet.", true);
  static readonly PLAN = new CloseReason("plan", 4034, "The company's plan does not include this tool.", false);
  static readonly KIND_NOT_GRANTED = new CloseReason("kind_not_granted", 4035, "This tool was not granted.", false);
  static readonly WRONG_CODE = new CloseReason("wrong_code", 4036, "The security code is not right.", false);
  static readonly WRONG_PASSWORD = new CloseReason("wrong_password", 4037, "The access password is not right.", false);
  static readonly DECLINED = new CloseReason("declined", 4038, "The customer declined.", false);
  static readonly SEAL_BROKEN = new CloseReason("seal_broken", 4039, "The encryption check failed; the stream was closed.", true);
  static readonly UNAVAILABLE = new CloseReason("unavailable", 4040, "This tool cannot run on that computer.", false);
  static readonly TOO_MANY_TRIES = new CloseReason("too_many_tries", 4041, "Too many tries; wait a moment.", true);
  static readonly NOT_ALLOWED = new CloseReason("not_allowed", 4042, "The customer does not allow this now.", false);
  static readonly PAUSED = new CloseReason("paused", 4043, "The customer has paused the session.", false);

  /** Every reason, in the table's order. */
  static readonly all: readonly CloseReason[] = Object.values(CloseReason).filter(
    (value): value is CloseReason => value instanceof CloseReason,
  );

  /** The reason a peer named; anything unknown is INTERNAL, so that a newer peer can end things. */
  static fromWire(name: unknown): CloseReason {
    return CloseReason.all.find((reason) => reason.wire === name) ?? CloseReason.INTERNAL;
  }

  /** The reason behind a WebSocket close code; unknown codes are DEAD (the peer may come back). */
  static fromWsCode(code: number): CloseReason {
    return CloseReason.all.find((reason) => reason.wsCode === code) ?? CloseReason.DEAD;
  }

  /** True for the six endings of a whole session. */
  get endsSession(): boolean {
    return this.wsCode >= 4000 && this.wsCode < 4010;
  }
}
