"""Draws the images of the staff account's two rich menus: `python3 draw.py` writes plain.png and unread.png beside itself.

Both are 1200 × 405 with an envelope; the one for unread messages has the yellow bar. No words: what the bar says stands in the
menu's `chatBarText`, which needs no font.
"""

import pathlib
import struct
import zlib

WIDTH, HEIGHT = 1200, 405
PAPER, INK, GREY, YELLOW, RED = 0, 1, 2, 3, 4
COLOURS = [(255, 255, 255), (51, 51, 51), (200, 204, 209), (255, 214, 0), (230, 0, 18)]
BAR = 96


def inside(x, y, left, top, width, height):
    return left <= x < left + width and top <= y < top + height


def envelope(x, y, top):
    """The part of an envelope that covers a pixel: its edge, its flap's fold, or none."""
    left, width, height, line = WIDTH // 2 - 110, 220, 150, 8
    if not inside(x, y, left, top, width, height):
        return None
    if not inside(x, y, left + line, top + line, width - 2 * line, height - 2 * line):
        return INK
    fold = top + min(x - left, left + width - x) * 9 // 11
    return INK if abs(y - fold) < line // 2 + 2 else PAPER


def exclamation(x, y):
    middle, top = WIDTH // 2, (BAR - 56) // 2
    return abs(x - middle) < 6 and (inside(0, y, 0, top, 1, 38) or inside(0, y, 0, top + 46, 1, 12))


def plain(x, y):
    if y < 4:
        return GREY
    part = envelope(x, y, (HEIGHT - 150) // 2)
    return PAPER if part is None else part


def unread(x, y):
    if y < BAR:
        return INK if exclamation(x, y) else YELLOW
    top = BAR + (HEIGHT - BAR - 150) // 2
    if (x - WIDTH // 2 - 110) ** 2 + (y - top) ** 2 < 26**2:
        return RED
    part = envelope(x, y, top)
    return PAPER if part is None else part


def png(pixel):
    rows = b"".join(b"\0" + bytes(pixel(x, y) for x in range(WIDTH)) for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", bytes(sum(COLOURS, ()))), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    (here / "plain.png").write_bytes(png(plain))
    (here / "unread.png").write_bytes(png(unread))
