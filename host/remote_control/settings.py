"""The numbers of Remote Control, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RfbSettings:
    """How one viewer is served."""

    handshake_timeout: float = 10.0
    """Seconds from the first byte to ClientInit; a viewer that stays silent is let go."""
    max_updates_per_second: float = 60.0
    """Screens are never captured more often; displays show no more either."""
    look_intervals: tuple[float, float, float] = (1 / 60, 0.1, 0.25)
    """Seconds between two looks at a quiet screen, where the system does not report damage: just after
    something happened, soon after, and later (4 looks a second cost about 3 % of a core at 1920x1080)."""
    look_interval_with_damage: float = 1.0
    """The same where it does; looking at all is for what such reports miss (overlays, some 3D drivers)."""
    refine_after: float = 0.5
    """Seconds a JPEG area must have been quiet before it is sent again without loss: long enough not to
    refine a video, short enough that text is crisp before anyone reads it."""
    max_refined_tiles: int = 48
    """Tiles (64x64) refined in one update: about 20 ms of zlib, so that a key press never waits longer."""
    max_outbox_bytes: int = 256 * 1024
    """Small answers waiting to be sent; above it the viewer's messages are left unread until it reads."""
    max_updates_in_flight: int = 8
    """Updates a viewer with fences may not have confirmed yet: 40/s still at 200 ms of round trip. As many
    are in flight only as long as none of them waits behind another (`Pacer`)."""
    max_bytes_in_flight: int = 1024 * 1024
    """Unconfirmed bytes above which no further update is made: about one full screen of JPEG."""

    def look_interval(self, idle: float, reports_damage: bool) -> float:
        """Seconds between two looks when nothing was seen to happen for `idle` seconds."""
        if reports_damage:
            return self.look_interval_with_damage
        just_now, soon, later = self.look_intervals
        return just_now if idle < 0.5 else soon if idle < 3 else later
