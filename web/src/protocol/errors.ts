/** Errors of the protocol: who broke it decides the class (the same two as in `relay/protocol/errors.py`). */

import { CloseReason } from "./closeReasons";

export class ProtocolError extends Error {
  override readonly name: string = "ProtocolError";

  /** `closeReason` says how to answer; `message` is one sentence. */
  constructor(
    message: string,
    readonly closeReason: CloseReason,
  ) {
    super(message);
  }
}

/** The other side sent what it may not; closing it with `closeReason` is the whole answer. */
export class RemoteProtocolError extends ProtocolError {
  override readonly name: string = "RemoteProtocolError";

  constructor(message: string, closeReason: CloseReason = CloseReason.BAD_FRAME) {
    super(message, closeReason);
  }
}

/** Our own code tried a step that the protocol forbids: a bug. */
export class LocalProtocolError extends ProtocolError {
  override readonly name = "LocalProtocolError";

  constructor(message: string) {
    super(message, CloseReason.INTERNAL);
  }
}

/** The other side does not know the same code or password (or somebody in the middle changed something). */
export class WrongSecret extends RemoteProtocolError {
  override readonly name = "WrongSecret";

  constructor(closeReason: CloseReason) {
    super(closeReason.sentence, closeReason);
  }
}
