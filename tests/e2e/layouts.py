"""Where the default page puts its tiles (docs/TEMPLATES.md), and reading one of them."""
import dataclasses

from analyser import Recording, analyse

# What tests record, and how large a picture of the publisher is that every tile of it shows with all of
# its cells: tiles leave out what is above and below.
CANVAS = (640, 360)
CAMERA = {"width": 320, "height": 240}
# The two tiles of a grid of two are square.
SQUARE = {"width": 320, "height": 320}

GAP = 4


@dataclasses.dataclass(frozen=True)
class Tile:
    left: int
    top: int
    width: int
    height: int

    def read(self, path, picture, fit="cover", **options) -> Recording:
        """The publisher's picture in it; for a camera's, of `picture` (width, height)."""
        width, height = picture["width"], picture["height"]
        scales = self.width / width, self.height / height
        scale = max(scales) if fit == "cover" else min(scales)
        # What of the picture is seen, and what of the tile it fills.
        across, down = (min(1, size / (of * scale)) for size, of in
                        ((self.width, width), (self.height, height)))
        shown_width, shown_height = (min(size, of * scale) for size, of in
                                     ((self.width, width), (self.height, height)))
        left = self.left + (self.width - shown_width) / 2
        top = self.top + (self.height - shown_height) / 2
        return analyse(
            path, region=(left / CANVAS[0], top / CANVAS[1], (left + shown_width) / CANVAS[0],
                          (top + shown_height) / CANVAS[1]),
            seen=((1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2), **options)


def grid(count: int) -> list:
    """Of one to four."""
    if count == 1:
        return [Tile(0, 0, *CANVAS)]
    if count == 2:
        side = (CANVAS[0] - 3 * GAP) // 2
        top = (CANVAS[1] - side) // 2
        return [Tile(GAP, top, side, side), Tile(2 * GAP + side, top, side, side)]
    width, height = (CANVAS[0] - 3 * GAP) // 2, (CANVAS[1] - 3 * GAP) // 2
    tiles = [Tile(GAP + column * (width + GAP), GAP + row * (height + GAP), width, height)
             for row in range(2) for column in range(2)]
    if count == 3:  # the last is in the middle
        tiles[2:] = [dataclasses.replace(tiles[2], left=(CANVAS[0] - width) // 2)]
    return tiles


def speaker(others: int) -> list:
    """The large one first, then those at its left."""
    strip = CANVAS[0] // 6
    height = min((CANVAS[1] - 4 * GAP) // 3, strip * 3 // 4)
    top = (CANVAS[1] - others * (height + GAP) + GAP) // 2
    return [Tile(2 * GAP + strip, GAP, CANVAS[0] - strip - 3 * GAP, CANVAS[1] - 2 * GAP),
            *(Tile(GAP, top + n * (height + GAP), strip, height) for n in range(others))]


single_speaker = Tile(0, 0, *CANVAS)
