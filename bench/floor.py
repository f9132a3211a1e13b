"""What the same work costs GStreamer alone: the material from a file through the elements that the
program uses, set as it sets them, as fast as they can."""
import pathlib
import re
import subprocess

import measure

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOOP_SECONDS = 20

# The program's defaults (720p30), at which it is measured.
WIDTH, HEIGHT, FPS = 1280, 720, 30
VIDEO_KBPS, PROFILE = 3000, "main"
AUDIO_BPS, AAC_RATE_HZ, OPUS_RATE_HZ = 128000, 44100, 48000


class Elements:
    """Decoders and encoders with their settings, as src/media/elements.c has them, and the preset of
    src/config/keys.c."""

    def __init__(self):
        source = (ROOT / "src/media/elements.c").read_text()
        self._tables = dict(re.findall(
            r"^static const \w+ (\w+)(?:\[\])? = \{\n(.*?)^\};", source, re.DOTALL | re.MULTILINE))
        self._tables["keys"] = (ROOT / "src/config/keys.c").read_text()

    def _find(self, table: str, pattern: str):
        found = re.search(pattern, self._tables.get(table, ""))
        if not found:
            raise measure.Failed(f"the program's tables do not say {pattern} of {table}")
        return " ".join(found.groups())

    def decoder(self, codec: str) -> str:
        return self._find(codec, r'\.decoder = "([^"]*)"')

    def encoder(self, codec: str) -> str:
        """The first choice for sound."""
        return self._find(codec, r'\.encoders = \{\{"([^"]*)", "([^"]*)"')

    def h264_encoder(self) -> str:
        """The first choice, as it is set by default."""
        element, settings, preset = (self._find("h264_encoders", rf'\.{member} = "([^"]*)"')
                                     for member in ("element", "settings", "preset"))
        chosen = self._find("keys", r'"video_encoder\.preset".*?\.standard = "([^"]*)"')
        return f"{element} {settings} {preset}={chosen}"


def loop_path(publisher: str, codec: str) -> pathlib.Path:
    """The material that the tests' publisher sends, in a file."""
    what = ["-tone", "440"] if codec == "opus" else ["-width", str(WIDTH), "-height", str(HEIGHT),
                                                    "-fps", str(FPS), "-busy"]
    made = subprocess.run([publisher, "make-media", "-codec", codec, *what],
                          capture_output=True, text=True, check=True)
    return pathlib.Path(made.stdout.strip())


class Floor:
    def __init__(self, publisher: str, folder: pathlib.Path):
        self.folder = folder
        self.paths = {codec: loop_path(publisher, codec) for codec in ("h264", "vp8", "opus")}
        self._elements = Elements()
        # mp4mux wants times, which a bare H264 stream has not.
        self._timed = folder / "loop.mp4"
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-r", str(FPS), "-i", self.paths["h264"],
                        "-c", "copy", self._timed], check=True)

    def _encode_video(self, codec: str) -> str:
        parser = {"h264": "h264parse", "vp8": "ivfparse"}[codec]
        return (f"filesrc location={self.paths[codec]} ! {parser} ! {self._elements.decoder(codec)} "
                "! videoconvertscale n-threads=1 add-borders=true "
                f"! video/x-raw,format=I420,width={WIDTH},height={HEIGHT},pixel-aspect-ratio=1/1 "
                f"! {self._elements.h264_encoder()} bitrate={VIDEO_KBPS} "
                f"! video/x-h264,stream-format=avc,alignment=au,profile={PROFILE} ! fakesink")

    def _encode_sound(self, codec: str) -> str:
        rate_hz = {"aac": AAC_RATE_HZ, "opus": OPUS_RATE_HZ}[codec]
        return (f"filesrc location={self.paths['opus']} ! oggdemux ! {self._elements.decoder('opus')} "
                "! audioconvert ! audioresample quality=4 "
                f"! audio/x-raw,format=F32LE,layout=interleaved,channels=2,rate={rate_hz} "
                f"! audioconvert ! {self._elements.encoder(codec)} bitrate={AUDIO_BPS} ! fakesink")

    def pipeline(self, case: str) -> str:
        if case == "remux":
            return (f"filesrc location={self._timed} ! qtdemux ! h264parse ! mux. "
                    f"filesrc location={self.paths['opus']} ! oggdemux ! opusparse "
                    f"! mp4mux name=mux ! filesink location={self.folder / 'floor.mp4'}")
        if case == "sound":
            return self._encode_sound("opus")
        return f"{self._encode_video(case)} {self._encode_sound('aac')}"

    def run(self, case: str) -> measure.Usage:
        """Of LOOP_SECONDS of media."""
        return measure.run(["gst-launch-1.0", "--quiet", *self.pipeline(case).split()], self.folder)
