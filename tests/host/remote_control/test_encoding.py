"""Pixels, Tight, tiles: what is sent for a picture, decoded by the independent client."""

import struct

import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from host.remote_control.desktop import Cursor
from host.remote_control.encodings import ViewerEncodings, build_cursor, build_cursor_with_alpha
from host.remote_control.pixels import CAPTURED_FORMAT, PixelFormat, parse_pixel_format
from host.remote_control.tight import TightEncoder, encode_length
from host.remote_control.tiles import changed_tiles, cover, map_shape, tiles_in_area
from tests.host.remote_control.rfb_client import RfbClient, Update

RGB565 = PixelFormat(16, 16, False, 31, 63, 31, 11, 5, 0)
RGB332 = PixelFormat(8, 8, False, 7, 7, 3, 0, 3, 6)
BIG_ENDIAN_RGBX = PixelFormat(32, 24, True, 255, 255, 255, 24, 16, 8)


class Replay:
    """A stream that has only been received already."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def send(self, data: bytes) -> None:
        raise AssertionError("nothing to be sent here")

    async def receive(self) -> bytes:
        data, self._data = self._data, b""
        return data


async def see(encoding: int, width: int, height: int, data: bytes, client: RfbClient | None = None) -> Update:
    """Have a client decode one rectangle at (0, 0)."""
    head = struct.pack(">BxHHHHHi", 0, 1, 0, 0, width, height, encoding)
    client = client or RfbClient(Replay(b""))
    client.replace_stream(Replay(head + data))
    if client.screen.shape[:2] != (height, width):
        client.screen = np.zeros((height, width, 3), np.uint8)
    return await client.receive_update()


def rgb(pixels: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.dstack([(pixels >> np.uint32(shift)).astype(np.uint8) for shift in (16, 8, 0)])


def noise(width: int, height: int, colours: int, seed: int = 0) -> NDArray[np.uint32]:
    """Random pixels of at most so many colours."""
    generator = np.random.default_rng(seed)
    palette = generator.integers(0, 1 << 24, colours, dtype=np.uint32)
    return palette[generator.integers(0, colours, (height, width))]


# Pixel formats


@pytest.mark.parametrize("pixel_format", [CAPTURED_FORMAT, RGB565, RGB332, BIG_ENDIAN_RGBX])
def test_pixel_format_survives_the_wire(pixel_format: PixelFormat) -> None:
    assert parse_pixel_format(pixel_format.to_bytes()) == pixel_format


@pytest.mark.parametrize(
    ("pixel_format", "expected"),
    [
        (CAPTURED_FORMAT, b"\x00\x80\xff\x00"),
        (BIG_ENDIAN_RGBX, b"\xff\x80\x00\x00"),
        (RGB565, struct.pack("<H", 31 << 11 | 32 << 5)),
        (RGB332, bytes((7 | 4 << 3,))),
    ],
)
def test_orange_in_each_pixel_format(pixel_format: PixelFormat, expected: bytes) -> None:
    assert pixel_format.encode(np.array([[0x00FF8000]], np.uint32)) == expected


@given(colour=st.integers(0, 0xFFFFFF), bits=st.tuples(*[st.integers(1, 8)] * 3))
def test_channels_are_scaled_to_the_nearest_level(colour: int, bits: tuple[int, int, int]) -> None:
    red, green, blue = bits
    maxima = (1 << red) - 1, (1 << green) - 1, (1 << blue) - 1
    shifts = green + blue, blue, 0
    pixel_format = PixelFormat(32, red + green + blue, False, *maxima, *shifts)
    (value,) = struct.unpack("<I", pixel_format.encode(np.array([[colour]], np.uint32)))
    for channel_shift, maximum, shift in zip((16, 8, 0), maxima, shifts, strict=True):
        intensity = colour >> channel_shift & 255
        assert value >> shift & maximum == round(intensity * maximum / 255)


def test_tight_pixels_of_24_bits_are_red_green_blue_in_any_byte_order() -> None:
    pixels = np.array([[0x00112233]], np.uint32)
    assert CAPTURED_FORMAT.encode_tight(pixels) == BIG_ENDIAN_RGBX.encode_tight(pixels) == b"\x11\x22\x33"


# Tight


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (10000, "904e"),  # the specification's own example
        (16383, "ff7f"),
        (16384, "808001"),
        (4194303, "ffffff"),
    ],
)
def test_tight_length(length: int, expected: str) -> None:
    assert encode_length(length).hex() == expected


def test_tight_refuses_a_length_it_cannot_write() -> None:
    with pytest.raises(ValueError, match="4194304"):
        encode_length(4194304)


@pytest.mark.parametrize("colours", [1, 2, 3, 60, 256, 5000])
@pytest.mark.parametrize(("width", "height"), [(512, 128), (61, 7), (1, 1), (3, 2)])
async def test_tight_without_jpeg_is_exact(colours: int, width: int, height: int) -> None:
    pixels = noise(width, height, colours) | np.uint32(0x5A000000)  # the unused byte means nothing
    data, is_exact = TightEncoder().encode(pixels, CAPTURED_FORMAT, quality=None)
    client = RfbClient(Replay(b""))
    await see(7, width, height, data, client)
    assert is_exact
    assert np.array_equal(client.screen, rgb(pixels))


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 40), st.integers(1, 400)), min_size=1, max_size=6)
)
def test_tight_streams_stay_in_step_over_many_blocks(blocks: list[tuple[int, int, int]]) -> None:
    async def check() -> None:
        encoder = TightEncoder()
        client = RfbClient(Replay(b""))
        for seed, (width, height, colours) in enumerate(blocks):
            pixels = noise(width, height, colours, seed)
            level = 1 + seed % 3 // 2 * 5  # the zlib level changes on the way: streams are reset
            data, _ = encoder.encode(pixels, CAPTURED_FORMAT, quality=None, compression=level)
            await see(7, width, height, data, client)
            assert np.array_equal(client.screen, rgb(pixels))

    trio.run(check)


async def test_photograph_goes_as_jpeg_within_its_tolerance() -> None:
    ramp = np.arange(256, dtype=np.uint32)
    pixels = ramp[np.newaxis, :] << np.uint32(16) | ramp[:128, np.newaxis] << np.uint32(9)
    data, is_exact = TightEncoder().encode(pixels, CAPTURED_FORMAT, quality=9)
    client = RfbClient(Replay(b""))
    update = await see(7, 256, 128, data, client)
    assert update.tight_kinds == [9]
    assert not is_exact
    assert np.abs(client.screen.astype(int) - rgb(pixels)).max() <= 12


def test_8_bit_viewers_get_no_jpeg() -> None:
    data, is_exact = TightEncoder().encode(noise(64, 64, 4000), RGB332, quality=5)
    assert is_exact
    assert data[0] >> 4 != 9


def test_solid_block_is_four_bytes() -> None:
    pixels = np.full((128, 512), 0x00ABCDEF, np.uint32)
    assert TightEncoder().encode(pixels, CAPTURED_FORMAT, quality=6) == (b"\x80\xab\xcd\xef", True)


# Tiles


@given(
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    touched=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 199)), max_size=8),
)
def test_changed_tiles_are_those_a_brute_force_search_finds(
    size: tuple[int, int], touched: list[tuple[int, int]]
) -> None:
    width, height = size
    before = noise(width, height, 50)
    after = before.copy()
    for x, y in touched:
        after[y % height, x % width] ^= np.uint32(1)
    rows, columns = map_shape(height, width)
    expected = [
        [
            bool((before[y : y + 64, x : x + 64] != after[y : y + 64, x : x + 64]).any())
            for x in range(0, columns * 64, 64)
        ]
        for y in range(0, rows * 64, 64)
    ]
    assert changed_tiles(before, after).tolist() == expected


@given(
    size=st.tuples(st.integers(1, 1300), st.integers(1, 500)),
    data=st.data(),
)
def test_cover_takes_each_set_tile_exactly_once_and_no_other(
    size: tuple[int, int], data: st.DataObject
) -> None:
    width, height = size
    rows, columns = map_shape(height, width)
    bits = data.draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns))
    tiles = np.array(bits, np.bool_).reshape(rows, columns)
    painted = np.zeros((height, width), int)
    for block in cover(tiles, height, width):
        assert block.width <= 512
        assert block.height <= 128
        painted[block.y : block.y + block.height, block.x : block.x + block.width] += 1
        assert tiles[block.tiles].all()
    expected = np.kron(tiles, np.ones((64, 64), int))[:height, :width]
    assert np.array_equal(painted, expected)


def test_area_beyond_the_screen_touches_only_tiles_of_the_screen() -> None:
    assert tiles_in_area((2, 3), 100, 60, 60000, 60000).tolist() == [[False, True, True]] * 2
    assert not tiles_in_area((2, 3), 5000, 5000, 10, 10).any()
    assert not tiles_in_area((2, 3), 0, 0, 0, 50).any()


# Cursor and lists of encodings


async def test_half_transparent_cursor_pixels_keep_their_colour_without_alpha() -> None:
    pixels = np.array([[0x80800000, 0x40000040, 0xFF010203, 0]], np.uint32)
    data = build_cursor(Cursor(1, 2, 0, pixels), CAPTURED_FORMAT)
    client = RfbClient(Replay(struct.pack(">BxH", 0, 1) + data))
    await client.receive_update()
    assert client.cursor is not None
    hot_x, hot_y, shape = client.cursor
    assert (hot_x, hot_y) == (2, 0)
    assert shape[0, 0].tolist() == [255, 0, 0, 255]
    assert shape[0, :, 3].tolist() == [255, 0, 255, 0]


async def test_cursor_with_alpha_is_sent_as_captured() -> None:
    pixels = np.array([[0x80402010]], np.uint32)
    client = RfbClient(Replay(struct.pack(">BxH", 0, 1) + build_cursor_with_alpha(Cursor(1, 0, 0, pixels))))
    await client.receive_update()
    assert client.cursor is not None
    assert client.cursor[2][0, 0].tolist() == [0x40, 0x20, 0x10, 0x80]


@pytest.mark.parametrize(
    ("listed", "quality", "compression"),
    [
        ((7,), None, 1),
        ((7, -32), 0, 1),
        ((-23, 7), 9, 1),
        ((-26, -23), 6, 1),
        ((-254,), None, 2),
        ((-256,), None, 1),
    ],
)
def test_levels_are_read_from_the_list_of_encodings(
    listed: tuple[int, ...], quality: int | None, compression: int
) -> None:
    chosen = ViewerEncodings.choose(listed)
    assert (chosen.quality, chosen.compression) == (quality, compression)
