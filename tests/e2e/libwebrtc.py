"""A participant that encodes as browsers do: the library that they are built on, in real time. It
costs much more than tests/publisher, and keeps time less exactly; it is for what only that library
sends, like layers within one stream (SVC).

As a program it is that participant; its input is one line of JSON, it says so when everything is
published, and leaves when its input ends.
"""
import asyncio
import json
import os
import subprocess
import sys
import time

import numpy as np

SAMPLE_RATE = 48000
BLOCK = SAMPLE_RATE // 100
LOOP_SECONDS = 20


class LibwebrtcPublisher:
    """One participant with a camera and a microphone, of a tag and a tone."""

    def __init__(self, server, folder, room, identity, codec, *, width, height, fps, tag=0,
                 microphone=True, tone_hz=440, **options):
        from process import Process
        settings = {
            "url": server.url, "token": server.token(room, identity, publishes=True),
            "codec": codec, "width": width, "height": height, "fps": fps, "options": options,
            "pictures": make_media(codec="h264", width=width, height=height, fps=fps, tag=tag),
            "sound": make_media(codec="opus", tone=tone_hz) if microphone else None}
        self._process = Process([sys.executable, __file__], log=folder / "libwebrtc.log")
        self._process.send(json.dumps(settings))
        self.tracks = json.loads(self._process.next_line(time.monotonic() + 60))

    def close(self):
        self._process.close()


def make_media(**options):
    arguments = [part for name, value in options.items() for part in (f"-{name}", str(value))]
    return subprocess.run([os.environ["PUBLISHER"], "make-media", *arguments],
                          capture_output=True, text=True, check=True).stdout.strip()


def decode(path, *arguments):
    run = subprocess.run(
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-i", path, *arguments,
         "pipe:1"], capture_output=True, check=True)
    return run.stdout


async def film(source, rtc, settings):
    """Picture n of the loop at each multiple of 1 / fps of the wall clock."""
    width, height, fps = settings["width"], settings["height"], settings["fps"]
    pictures = np.frombuffer(
        decode(settings["pictures"], "-f", "rawvideo", "-pix_fmt", "yuv420p"), np.uint8)
    pictures = pictures.reshape(LOOP_SECONDS * fps, -1)
    n = int(time.time() * fps)
    while True:
        n = max(n + 1, int(time.time() * fps))
        await asyncio.sleep(max(0.0, n / fps - time.time()))
        source.capture_frame(rtc.VideoFrame(width, height, rtc.VideoBufferType.I420,
                                            pictures[n % len(pictures)].tobytes()))


async def speak(source, rtc, settings):
    """As media is encoded for tests/publisher, its first second is for the encoder to settle, less
    what that is late."""
    lead = 1 - 120 / SAMPLE_RATE
    samples = np.frombuffer(
        decode(settings["sound"], "-af", f"atrim=start={lead},asetpts=PTS-STARTPTS", "-ac", "1",
               "-ar", str(SAMPLE_RATE), "-f", "s16le"), np.int16)
    blocks = samples[:LOOP_SECONDS * SAMPLE_RATE].reshape(-1, BLOCK)
    n = int(time.time() * 100)
    while True:
        n += 1
        await asyncio.sleep(max(0.0, n / 100 - time.time()))
        await source.capture_frame(rtc.AudioFrame(blocks[n % len(blocks)].tobytes(), SAMPLE_RATE, 1,
                                                  BLOCK))


async def take_part(settings):
    from livekit import rtc
    room = rtc.Room()
    await room.connect(settings["url"], settings["token"], rtc.RoomOptions(auto_subscribe=False))
    tracks = {}
    async with asyncio.TaskGroup() as feeds:
        camera = rtc.VideoSource(settings["width"], settings["height"])
        feeds.create_task(film(camera, rtc, settings))
        publication = await room.local_participant.publish_track(
            rtc.LocalVideoTrack.create_video_track("camera", camera),
            rtc.TrackPublishOptions(
                source=rtc.TrackSource.SOURCE_CAMERA, simulcast=False,
                video_codec=rtc.VideoCodec.Value(settings["codec"].upper()),
                video_encoding=rtc.VideoEncoding(max_bitrate=1_500_000,
                                                 max_framerate=settings["fps"]),
                **settings["options"]))
        tracks["camera"] = publication.sid
        if settings["sound"]:
            microphone = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=0)
            feeds.create_task(speak(microphone, rtc, settings))
            publication = await room.local_participant.publish_track(
                rtc.LocalAudioTrack.create_audio_track("microphone", microphone),
                rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False))
            tracks["microphone"] = publication.sid
        print(json.dumps(tracks), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await room.disconnect()
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(take_part(json.loads(sys.stdin.readline())))
