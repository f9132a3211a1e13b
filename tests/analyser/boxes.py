"""The layout of an ISO base media file (ISO/IEC 14496-12): what its boxes are, and in which order."""
import dataclasses
import os
import struct


@dataclasses.dataclass
class FileLayout:
    boxes: list          # the types of the top level boxes, in order
    complete: bool       # the last box ends where the file ends

    @property
    def index_in_front(self) -> bool:
        """Whether a player can start before it has the whole file."""
        return ("moov" in self.boxes and "mdat" in self.boxes
                and self.boxes.index("moov") < self.boxes.index("mdat"))

    @property
    def fragmented(self) -> bool:
        return "moof" in self.boxes


def read_layout(path) -> FileLayout | None:
    """None if it is another kind of file."""
    size = os.path.getsize(path)
    boxes = []
    with open(path, "rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            header = file.read(16)
            length, kind = struct.unpack(">I4s", header[:8])
            if at == 0 and kind not in (b"ftyp", b"styp", b"moov"):
                return None
            if length == 1 and len(header) == 16:
                length = struct.unpack(">Q", header[8:])[0]
            elif length == 0:
                length = size - at
            if length < 8 or not kind.isalnum():
                return FileLayout(boxes, False)
            boxes.append(kind.decode("latin-1"))
            at += length
    return FileLayout(boxes, at == size)
