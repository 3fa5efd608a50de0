"""The wire: WebSocket frames, msgpack frames, streams and credit, pairing, sealing, close reasons.

Everything here is a pure function of bytes and state: no socket, clock, task or log. It is the only
part of the relay that host and technician share.
"""
