// Tells the browser's receivers how long to wait, by what their statistics say and by when pictures arrive
// (sync.ts and rhythm.ts decide).

import {
  type RemoteParticipant,
  type RemoteTrack,
  type RemoteTrackPublication,
  type Room,
  RoomEvent,
  Track,
} from "livekit-client";
import { isSameInterval, Rhythm } from "./rhythm";
import { Alignment, type Delay, type Display, FIRST_WAITS, joinStreams } from "./sync";

/** How often to look: when something has just begun, ... */
const SOON_MS = 50;
const BEGIN_MS = 3000;

/** ...and from then on. */
const LATER_MS = 500;

/** A tick, at least: looks are not to be in step with pictures, or they would see the same one of a picture's
 * packets each time. */
const ANY_MS = 20;

/** From the target of a picture's jitter buffer until it is seen. (Chromium 156.) */
const RENDERING_MS = 11;

/** Of so many intervals, the one counts that only so few are longer than. So it is soon seen that every other
 * tick is left out, and slowly that none is any more: each change moves pictures, and by that the browser,
 * which looks at when they come, to and fro. */
const INTERVALS = 16;
const LONGER = 3;

/** Between the epochs of NTP, in which reports are, and of statistics. */
const NTP_EPOCH_MS = 2_208_988_800_000;

/** Statistics that TypeScript's library does not know, or not all of them. */
interface Counters {
  readonly timestamp: number;
  readonly jitterBufferEmittedCount?: number;
  readonly jitterBufferTargetDelay?: number;
  readonly totalProcessingDelay?: number;
  readonly estimatedPlayoutTimestamp?: number;
  readonly lastPacketReceivedTimestamp?: number;
}

interface Playout {
  readonly totalPlayoutDelay: number;
  readonly totalSamplesCount: number;
}

/** The average of what has been added up since the last time. */
class Average {
  private total = 0;
  private count = 0;

  /** In ms, of seconds; undefined: nothing is new. */
  next(total: number, count: number): number | undefined {
    const added = total - this.total;
    const counted = count - this.count;
    this.total = total;
    this.count = count;
    return counted > 0 ? (1000 * added) / counted : undefined;
  }
}

/** What one receiver's stream takes. */
class Meter {
  private readonly inBuffer = new Average();
  private readonly inDevice = new Average();

  /** When the newest packet came, by performance.now(); undefined: none has. */
  arrivedMs: number | undefined;

  constructor(private readonly receiver: RTCRtpReceiver) {}

  /** undefined: nothing was played. */
  async read(): Promise<Delay | undefined> {
    let counters: Counters | undefined;
    let playout: Playout | undefined;
    (await this.receiver.getStats()).forEach((one: { type: string }) => {
      if (one.type === "inbound-rtp") counters = one as unknown as Counters;
      if (one.type === "media-playout") playout = one as unknown as Playout;
    });
    if (counters === undefined) return undefined;
    const { lastPacketReceivedTimestamp: arrived } = counters;
    if (arrived !== undefined) this.arrivedMs = arrived - performance.timeOrigin;
    const takenMs =
      this.receiver.track.kind === "audio"
        ? this.soundTakes(counters, playout)
        : this.pictureTakes(counters);
    const { timestamp, estimatedPlayoutTimestamp: played } = counters;
    return takenMs === undefined
      ? undefined
      : { takenMs, ageMs: played ? timestamp + NTP_EPOCH_MS - played : undefined };
  }

  private soundTakes(counters: Counters, playout: Playout | undefined): number | undefined {
    const { totalProcessingDelay = 0, jitterBufferEmittedCount = 0 } = counters;
    const buffer = this.inBuffer.next(totalProcessingDelay, jitterBufferEmittedCount);
    const device = playout
      ? this.inDevice.next(playout.totalPlayoutDelay, playout.totalSamplesCount)
      : undefined;
    return buffer === undefined ? undefined : buffer + (device ?? 0);
  }

  private pictureTakes(counters: Counters): number | undefined {
    const { jitterBufferTargetDelay = 0, jitterBufferEmittedCount = 0 } = counters;
    const target = this.inBuffer.next(jitterBufferTargetDelay, jitterBufferEmittedCount);
    return target === undefined ? undefined : target + RENDERING_MS;
  }
}

/** The browser's ticks: its refreshes, or every other one, where it finds that enough. */
class Ticks {
  private intervals: number[] = [];

  /** The last one, by performance.now(); undefined: it is not as far from the one before as usual. */
  lastMs: number | undefined;

  /** How far they usually are apart. */
  everyMs = 0;

  /** From now on they may be as far apart as they were before, or not. */
  forget(): void {
    this.intervals = [];
  }

  async watch(): Promise<void> {
    const next = () => new Promise<number>((tick) => requestAnimationFrame(tick));
    const first = await next();
    const last = await next();
    this.intervals.push(last - first);
    if (this.intervals.length > INTERVALS) this.intervals.shift();
    const longestFirst = [...this.intervals].sort((a, b) => b - a);
    this.everyMs = longestFirst[Math.min(LONGER, longestFirst.length - 1)]!;
    this.lastMs = isSameInterval(last - first, this.everyMs) ? last : undefined;
  }
}

function wait(receiver: RTCRtpReceiver | undefined, ms: number): void {
  if (receiver === undefined) return;
  const adjustable = receiver as RTCRtpReceiver & { jitterBufferTarget: number | null };
  if (adjustable.jitterBufferTarget !== ms) adjustable.jitterBufferTarget = ms;
}

/** What is heard of the same instant as a picture of a source is seen. */
function soundOf(participant: RemoteParticipant, source: Track.Source): RemoteTrack | undefined {
  const of = (sound: Track.Source) =>
    (participant.getTrackPublication(sound) as RemoteTrackPublication | undefined)?.track;
  const ofScreen = source === Track.Source.ScreenShare && of(Track.Source.ScreenShareAudio);
  return ofScreen || of(Track.Source.Microphone);
}

interface Sound {
  /** undefined: there is none. */
  readonly receiver: RTCRtpReceiver | undefined;
  readonly meter?: Meter;
  readonly alignment: Alignment;
}

/** A picture that is received, with whatever sound it has at the time. */
class Pair {
  private readonly picture: Meter;
  private readonly rhythm = new Rhythm();
  private sound: Sound;

  constructor(
    private readonly participant: RemoteParticipant,
    private readonly source: Track.Source,
    private readonly track: RemoteTrack,
    private readonly receiver: RTCRtpReceiver,
    private readonly ticks: Ticks,
    private readonly display: Display,
  ) {
    this.picture = new Meter(receiver);
    this.sound = { receiver: undefined, alignment: new Alignment(display) };
  }

  get isSeen(): boolean {
    return this.track.attachedElements.length > 0 && !this.track.isMuted;
  }

  /** `isOne`: no other picture is seen. `ticked`: when the next tick is known. */
  async align(isOne: boolean, ticked: Promise<void>): Promise<void> {
    const receiver = soundOf(this.participant, this.source)?.receiver;
    if (this.sound.receiver !== receiver) {
      const alignment = new Alignment(this.display);
      this.sound = receiver
        ? { receiver, meter: new Meter(receiver), alignment }
        : { receiver, alignment };
    }
    const { meter, alignment } = this.sound;
    const [sound, picture] = await Promise.all([meter?.read(), this.picture.read()]);
    if (picture === undefined) return;
    await ticked;
    const { lastMs, everyMs } = this.ticks;
    const { arrivedMs } = this.picture;
    if (arrivedMs !== undefined && lastMs !== undefined)
      this.rhythm.add(arrivedMs, lastMs, everyMs);
    const slots = this.rhythm.slots();
    const waits = alignment.update(sound, picture, performance.now(), isOne, slots);
    wait(receiver, waits.soundMs);
    wait(this.receiver, waits.pictureMs);
  }
}

/** Keeps what is seen in step with what is heard, for all who are or will be in a room. */
export function alignAll(room: Room, display: Display): void {
  const pairs = new Map<RemoteTrack, Pair>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let begunAt = 0;
  let isOne = true;
  const ticks = new Ticks();
  const align = async () => {
    const all = [...pairs.values()];
    const wasOne = isOne;
    isOne = all.filter((pair) => pair.isSeen).length < 2;
    if (isOne !== wasOne) {
      begunAt = performance.now();
      ticks.forget();
    }
    const isBegin = performance.now() - begunAt < BEGIN_MS;
    const ticked = ticks.watch();
    await Promise.allSettled([ticked, ...all.map((pair) => pair.align(isOne, ticked))]);
    const pause = (isBegin ? SOON_MS : LATER_MS) + Math.random() * ANY_MS;
    timer = pairs.size === 0 ? undefined : setTimeout(align, pause);
  };
  room.on(RoomEvent.TrackSubscribed, (track, { source }, participant) => {
    const isVideo = track.kind === Track.Kind.Video;
    wait(track.receiver, isVideo ? FIRST_WAITS.pictureMs : FIRST_WAITS.soundMs);
    begunAt = performance.now();
    if (isVideo && track.receiver)
      pairs.set(track, new Pair(participant, source, track, track.receiver, ticks, display));
    timer ??= setTimeout(align, SOON_MS);
  });
  room.on(RoomEvent.TrackUnsubscribed, (track) => pairs.delete(track));
}

const GROUPS: ReadonlyMap<Track.Source, string> = new Map([
  [Track.Source.Camera, "camera"],
  [Track.Source.Microphone, "camera"],
  [Track.Source.ScreenShare, "screen_share"],
  [Track.Source.ScreenShareAudio, "screen_share"],
]);

/** Has the browser compare the clocks of a participant's picture and sound. To be called before a room
 * is joined; the only connections of the page are the room's. */
export function compareClocks(room: Room): void {
  // Once a track has a stream, it stays in it.
  const groups = new Map<string, string | undefined>();
  const groupOf = (sid: string) => {
    if (!groups.has(sid)) {
      const tracks = [...room.remoteParticipants.values()].map(({ trackPublications }) =>
        trackPublications.get(sid),
      );
      const source = tracks.find((track) => track !== undefined)?.source;
      groups.set(sid, source && GROUPS.get(source));
    }
    return groups.get(sid);
  };
  const { prototype } = RTCPeerConnection;
  const set: (description: RTCSessionDescriptionInit) => Promise<void> =
    prototype.setRemoteDescription;
  prototype.setRemoteDescription = function ({ type, sdp }: RTCSessionDescriptionInit) {
    return set.call(this, sdp === undefined ? { type } : { type, sdp: joinStreams(sdp, groupOf) });
  };
}
