"""The X11 clipboard (ICCCM §2): giving text to programs that paste, and noticing what programs copy.

Text is not kept by the X server: who copied hands it over, on request, by a property. So giving means
owning the CLIPBOARD selection and answering requests; noticing means asking the new owner, also piece by
piece (INCR) when it has much. Only text, and at most `MAX_CUT_TEXT_BYTES` of it. Blocking; one call at a
time.
"""

from dataclasses import dataclass
from typing import Final

from Xlib import X, Xatom
from Xlib.display import Display
from Xlib.error import XError
from Xlib.ext import xfixes
from Xlib.protocol import event as xevent
from Xlib.protocol import rq
from Xlib.xobject.drawable import Window

from host.remote_control.messages import MAX_CUT_TEXT_BYTES

_CHUNK_BYTES: Final = 128 * 1024
"""What one property carries: below the 256 KiB that every server takes, and so every program."""
_MAX_TRANSFERS: Final = 4
"""Pieces are put down for at most so many programs at once; one that never takes them is forgotten."""


@dataclass
class _Transfer:
    """A long text on its way to a program that pastes."""

    requestor: Window
    place: int
    kind: int
    rest: bytes


class Selection:
    """The CLIPBOARD of one display. Feed it every event of its connection."""

    def __init__(self, display: Display) -> None:
        self._display = display
        root = display.screen().root
        self._window = root.create_window(-1, -1, 1, 1, 0, X.CopyFromParent, event_mask=X.PropertyChangeMask)
        names = ("CLIPBOARD", "TARGETS", "UTF8_STRING", "TEXT", "INCR", "REMOTE_CONTROL_CLIPBOARD")
        atoms = (display.intern_atom(name) for name in names)
        self._clipboard, self._targets, self._utf8, self._text, self._incr, self._property = atoms
        self._own_key = self._window.id, self._property
        self._plain_text = display.intern_atom("text/plain;charset=utf-8")
        self._owner_event: tuple[int, int] = display.extension_event.SetSelectionOwnerNotify
        self._given: bytes = b""
        self._pieces: bytearray | None = None  # of an INCR transfer that is under way
        self._copied: str | None = None
        self._giving: dict[tuple[int, int], _Transfer] = {}
        mask = xfixes.XFixesSetSelectionOwnerNotifyMask
        display.xfixes_select_selection_input(root, self._clipboard, mask)

    def give(self, text: str) -> None:
        """Make `text` what programs paste."""
        self._given = text.encode("utf-8", "replace")
        self._window.set_selection_owner(self._clipboard, X.CurrentTime)

    def take_copied(self) -> str | None:
        """What a program copied since the last call."""
        copied, self._copied = self._copied, None
        return copied

    def handle(self, event: rq.Event) -> None:
        """Act on an event if it concerns the clipboard."""
        if event.type == self._owner_event[0]:
            if (
                event.sub_code == self._owner_event[1]
                and event.selection == self._clipboard
                and event.owner not in (X.NONE, self._window)
            ):
                self._pieces = None
                self._window.convert_selection(self._clipboard, self._utf8, self._property, event.timestamp)
        elif event.type == X.SelectionNotify:
            if event.requestor == self._window and event.property == self._property:
                self._receive(is_piece=False)
        elif event.type == X.PropertyNotify:
            key = event.window.id, event.atom
            if event.state == X.PropertyDelete and key in self._giving:
                self._continue_giving(key)
            elif event.state == X.PropertyNewValue and key == self._own_key and self._pieces is not None:
                self._receive(is_piece=True)
        elif event.type == X.SelectionRequest and event.owner == self._window:
            self._answer(event)

    def _receive(self, *, is_piece: bool) -> None:
        """Read and delete the property; its deletion asks an INCR owner for the next piece."""
        limit = MAX_CUT_TEXT_BYTES // 4  # in 32-bit units, as the protocol counts
        found = self._window.get_property(self._property, X.AnyPropertyType, 0, limit, delete=True)
        if found is None:
            return
        if found.property_type == self._incr:
            self._pieces = bytearray()
            return
        value = found.value if isinstance(found.value, bytes) else b""
        if found.bytes_after:  # too long, and therefore not deleted either
            self._window.delete_property(self._property)
            self._pieces = None
        elif not is_piece:
            self._copied = value.decode("utf-8", "replace")
        elif self._pieces is not None and value:
            self._pieces += value
            if len(self._pieces) > MAX_CUT_TEXT_BYTES:
                self._pieces = None
        elif self._pieces is not None:
            self._copied = self._pieces.decode("utf-8", "replace")
            self._pieces = None

    def _answer(self, request: rq.Event) -> None:
        """Hand `_given` to the program that pastes, or refuse a form we do not have."""
        place = request.property or request.target  # ICCCM §2.2: obsolete requestors name none
        forms = (self._utf8, self._plain_text, self._text, Xatom.STRING)
        if request.target == self._targets:
            request.requestor.change_property(place, Xatom.ATOM, 32, [self._targets, *forms], onerror=_ignore)
        elif request.target in forms:
            self._write(request, place)
        else:
            place = X.NONE
        request.requestor.send_event(
            xevent.SelectionNotify(
                time=request.time,
                requestor=request.requestor,
                selection=request.selection,
                target=request.target,
                property=place,
            ),
            onerror=_ignore,
        )

    def _write(self, request: rq.Event, place: int) -> None:
        data = self._given
        kind = request.target
        if kind == Xatom.STRING:
            data = data.decode("utf-8", "replace").encode("latin-1", "replace")
        elif kind == self._text:
            kind = self._utf8
        if len(data) <= _CHUNK_BYTES:
            request.requestor.change_property(place, kind, 8, data, onerror=_ignore)
            return
        # Too much at once: announce the size, then put down a piece each time the last one was taken.
        while len(self._giving) >= _MAX_TRANSFERS:
            del self._giving[next(iter(self._giving))]
        self._giving[request.requestor.id, place] = _Transfer(request.requestor, place, kind, data)
        request.requestor.change_attributes(event_mask=X.PropertyChangeMask, onerror=_ignore)
        request.requestor.change_property(place, self._incr, 32, [len(data)], onerror=_ignore)

    def _continue_giving(self, key: tuple[int, int]) -> None:
        transfer = self._giving[key]
        piece, transfer.rest = transfer.rest[:_CHUNK_BYTES], transfer.rest[_CHUNK_BYTES:]
        transfer.requestor.change_property(transfer.place, transfer.kind, 8, piece, onerror=_ignore)
        if not piece:  # an empty piece is the end
            del self._giving[key]
            transfer.requestor.change_attributes(event_mask=X.NoEventMask, onerror=_ignore)


def _ignore(error: XError, _request: object) -> None:
    """The program that pasted is gone: nobody's loss."""
