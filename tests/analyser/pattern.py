"""What the publisher's picture and sound look like: the other side of picture.go and sound.go."""
import numpy as np

LOOP_SECONDS = 20

COUNTER_BITS = 12
TAG_BITS = 4
CHECKSUM_BITS = 4
CELLS = COUNTER_BITS + TAG_BITS + CHECKSUM_BITS

# Areas as fractions of the picture: left, top, right, bottom.
PATCH_AREA = (0.05, 0.06, 0.95, 0.22)
CELL_AREA = (0.05, 0.30, 0.95, 0.54)
FLASH_AREA = (0.05, 0.62, 0.47, 0.94)

# Y'CbCr of the colour patches, from the left.
PATCHES = {"red": (65, 100, 212), "green": (112, 72, 58), "blue": (35, 212, 114),
           "cyan": (131, 156, 44), "magenta": (84, 184, 198), "yellow": (162, 44, 142)}

FIRST_BEEP_HZ = 2000
BEEP_STEP_HZ = 40
BEEP_SECONDS = 0.05
HIGHEST_TONE_HZ = 1500


def checksum(data):
    """CRC-4 x^4 + x + 1 over 16 bits, starting from 9. Takes numbers and arrays."""
    crc = np.full_like(data, 0x9)
    for bit in range(15, -1, -1):
        feedback = (crc >> 3 ^ data >> bit) & 1
        crc = crc << 1 & 0xf ^ feedback * 0x3
    return crc


def middle(area, part=0, parts=1):
    """The inner half, each way, of an area, or of one of several beside each other in it: where a
    scaler or an encoder has not mixed it with its neighbours."""
    left, top, right, bottom = area
    width = (right - left) / parts
    left, right = left + part * width, left + (part + 1) * width
    across, down = (right - left) / 4, (bottom - top) / 4
    return left + across, top + down, right - across, bottom - down
