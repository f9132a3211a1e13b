"""Participants for the demo: each publishes a camera and a microphone, both synthetic.

    demo-participants.py --room ROOM NAME [NAME ...]

The picture shows the name, a clock that counts from when the participant joined and a dot that
turns once a second; the microphone plays a tone, another one for each. Prints one line when all of
them have published, and goes on until it is terminated. LIVEKIT_URL, LIVEKIT_API_KEY and
LIVEKIT_API_SECRET say where.
"""

import argparse
import asyncio
import math
import os
import signal
import time

import numpy as np
from livekit import api, rtc
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, FRAMES_PER_SECOND = 640, 360, 20
SAMPLE_RATE, SAMPLES_PER_BLOCK = 48000, 480
BACKGROUNDS = ["#20435c", "#5c2a3d", "#2f5233", "#59431f"]
TONES_HZ = [440, 554, 659, 880]


class Picture:
    """Draws what the camera sees: the parts that never change once, the others per frame."""

    def __init__(self, name, background):
        self.small_font = ImageFont.load_default(size=40)
        self.base = Image.new("RGBA", (WIDTH, HEIGHT), background)
        draw = ImageDraw.Draw(self.base)
        draw.text((WIDTH / 2, 130), name, font=ImageFont.load_default(size=90), anchor="mm")
        draw.ellipse((WIDTH - 110, HEIGHT - 110, WIDTH - 30, HEIGHT - 30), outline="white", width=3)

    def draw(self, seconds):
        image = self.base.copy()
        draw = ImageDraw.Draw(image)
        clock = f"{int(seconds) // 60:02}:{seconds % 60:05.2f}"
        draw.text((WIDTH / 2, 230), clock, font=self.small_font, anchor="mm")
        angle = 2 * math.pi * seconds
        x, y = WIDTH - 70 + 40 * math.sin(angle), HEIGHT - 70 - 40 * math.cos(angle)
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill="white")
        return rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, image.tobytes())


async def film(source, picture):
    start = time.monotonic()
    frame = 0
    while True:
        source.capture_frame(picture.draw(frame / FRAMES_PER_SECOND))
        frame += 1
        await asyncio.sleep(max(0, start + frame / FRAMES_PER_SECOND - time.monotonic()))


async def play(source, tone_hz):
    block = rtc.AudioFrame.create(SAMPLE_RATE, 1, SAMPLES_PER_BLOCK)
    samples = np.frombuffer(block.data, dtype=np.int16)
    numbers = np.arange(SAMPLES_PER_BLOCK)
    first = 0
    while True:
        # The phase is that of whole seconds: the tones are whole numbers of periods in one.
        phase = 2 * np.pi * tone_hz * ((first + numbers) % SAMPLE_RATE) / SAMPLE_RATE
        samples[:] = 3000 * np.sin(phase)
        first += SAMPLES_PER_BLOCK
        await source.capture_frame(block)  # waits while the source has enough


async def take_part(room_name, name, background, tone_hz, published):
    """Joins the room and publishes for as long as the task is not cancelled."""
    token = (
        api.AccessToken(os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"])
        .with_identity(name)
        .with_grants(api.VideoGrants(room_join=True, room=room_name))
        .to_jwt()
    )
    camera = rtc.VideoSource(WIDTH, HEIGHT)
    microphone = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=100)
    room = rtc.Room()
    await room.connect(os.environ["LIVEKIT_URL"], token, rtc.RoomOptions(auto_subscribe=False))
    try:
        async with asyncio.TaskGroup() as feeds:
            feeds.create_task(film(camera, Picture(name, background)))
            feeds.create_task(play(microphone, tone_hz))
            await room.local_participant.publish_track(
                rtc.LocalVideoTrack.create_video_track("camera", camera),
                rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, simulcast=False),
            )
            await room.local_participant.publish_track(
                rtc.LocalAudioTrack.create_audio_track("microphone", microphone),
                rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE),
            )
            published.set()
    finally:
        await room.disconnect()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--room", required=True)
    parser.add_argument("names", nargs="+", metavar="NAME")
    args = parser.parse_args()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    published = [asyncio.Event() for _ in args.names]
    async with asyncio.TaskGroup() as participants:
        for i, name in enumerate(args.names):
            participants.create_task(
                take_part(args.room, name, BACKGROUNDS[i % 4], TONES_HZ[i % 4], published[i])
            )
        for event in published:
            await event.wait()
        print(f"In the room '{args.room}': {' and '.join(args.names)}", flush=True)


try:
    asyncio.run(main())
except asyncio.CancelledError:
    pass
