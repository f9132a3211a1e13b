// Picture and sound of a participant come as two streams, and a browser plays each as soon as it can:
// sound waits in its jitter buffer and on the way to the device, pictures do not. Here it is decided for
// how long jitter buffers are to wait so that both are in step. A recording is in no hurry: whatever is
// too early waits.

import { isSameInterval, nearestSlot, type Slots } from "./rhythm";

/** Sound waits for at least so long, in ms: less would grow with each packet that comes late. */
const SOUND_WAIT_MS = 80;

/** What sound takes with that, in a browser that has just begun to play it. */
const FIRST_SOUND_MS = 100;

/** For so long after its begin a jitter buffer of sound still fills: it takes less than it will. */
const FILLING_MS = 1000;

/** The service takes pictures to be seen later than those of a jitter buffer are, by so much. But of two and
 * more, which it takes for a conference, Chromium (156) draws only 30 a second, and each is seen later. By
 * the display that the service tells of; none: somebody else has the page shown, as browsers do it. */
const SEEN_EARLY_MS = {
  none: { one: 4, more: -15 },
  wayland: { one: 10, more: -20 },
  x11: { one: 7, more: -4 },
};

export type Display = keyof typeof SEEN_EARLY_MS;

export function displayOf(name: string | null): Display {
  return name !== null && Object.hasOwn(SEEN_EARLY_MS, name) ? (name as Display) : "none";
}

/** What reports say of picture and sound that are in step: each counts another part of its way. */
const IN_STEP_SKEW_MS = -12;

/** Nobody sees less, and each change makes pictures hurry or wait. */
const DEAD_BAND_MS = 4;

/** Pictures that take so much more than they were asked to have reasons of their own: late packets. */
const OWN_WAY_MS = 10;

const MAX_WAIT_MS = 2000;

/** A slot that is farther from what is wanted is left for the nearest one: with each other one, a picture is
 * lost or seen twice. */
const FAR_MS = 24;

/** Clocks of a sender's picture and sound that are farther apart are not believed. */
const MAX_SKEW_MS = 500;

/** Reports are for a moment: how late a stream is played then, it need not be on the whole. Of what one
 * says, so much is believed at once. */
const REPORT_SHARE = 0.2;

/** Of one stream, since it was last looked at. */
export interface Delay {
  /** From the arrival until it is played. */
  readonly takenMs: number;
  /** From the capture until it is played, by the sender's reports, on a clock that picture and sound
   * share; undefined: none have come. */
  readonly ageMs: number | undefined;
}

/** For how long jitter buffers are to wait. */
export interface Waits {
  readonly soundMs: number;
  readonly pictureMs: number;
}

export const FIRST_WAITS: Waits = {
  soundMs: SOUND_WAIT_MS,
  pictureMs: FIRST_SOUND_MS + SEEN_EARLY_MS.wayland.one,
};

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** Keeps one picture and its sound in step. */
export class Alignment {
  private waits = FIRST_WAITS;
  private askedBefore = FIRST_WAITS.pictureMs;
  private heardSince: number | undefined;
  private soundMs = FIRST_SOUND_MS;
  private skewMs = 0;
  private earlyMs: number | undefined;
  private slotEveryMs = 0;

  constructor(private readonly display: Display) {}

  /** `sound`: undefined: none is heard. `now`: in ms, of any clock. `isOne`: no other picture is seen.
   * `slots`: of the picture; undefined: there are none, or none yet. */
  update(
    sound: Delay | undefined,
    picture: Delay,
    now: number,
    isOne: boolean,
    slots?: Slots,
  ): Waits {
    if (sound !== undefined) this.hear(sound, picture, now);
    const earlyMs = SEEN_EARLY_MS[this.display][isOne ? "one" : "more"];
    const keepsSlot = earlyMs === this.earlyMs;
    this.earlyMs = earlyMs;
    const wanted = this.soundMs + this.skewMs + earlyMs;
    this.waits = {
      soundMs: this.soundWait(picture, wanted),
      pictureMs: this.pictureWait(wanted, slots, keepsSlot),
    };
    return this.waits;
  }

  private hear(sound: Delay, picture: Delay, now: number): void {
    this.heardSince ??= now;
    const isFilling = now - this.heardSince < FILLING_MS;
    if (!isFilling || sound.takenMs > this.soundMs) this.soundMs = sound.takenMs;
    // What is captured at the same instant need not arrive at the same instant.
    if (sound.ageMs !== undefined && picture.ageMs !== undefined) {
      const reported = sound.ageMs - sound.takenMs - (picture.ageMs - picture.takenMs);
      const skew = reported - IN_STEP_SKEW_MS;
      this.skewMs += REPORT_SHARE * (clamp(skew, -MAX_SKEW_MS, MAX_SKEW_MS) - this.skewMs);
    }
  }

  private pictureWait(wanted: number, slots: Slots | undefined, keepsSlot: boolean): number {
    const { pictureMs } = this.waits;
    this.askedBefore = pictureMs;
    let best = wanted;
    if (slots !== undefined) {
      const held = nearestSlot(slots, pictureMs);
      const isOfSame = keepsSlot && isSameInterval(slots.everyMs, this.slotEveryMs);
      const isNear = isOfSame && Math.abs(held - wanted) < FAR_MS;
      this.slotEveryMs = slots.everyMs;
      best = isNear ? held : nearestSlot(slots, wanted);
    }
    if (Math.abs(best - pictureMs) < DEAD_BAND_MS) return pictureMs;
    return clamp(best, 0, MAX_WAIT_MS);
  }

  /** Pictures that are late by themselves cannot be sooner. Sound that has waited for them once stays. */
  private soundWait(picture: Delay, wanted: number): number {
    const { soundMs, pictureMs } = this.waits;
    const isHeld = picture.takenMs <= Math.max(pictureMs, this.askedBefore) + OWN_WAY_MS;
    const behind = picture.takenMs - wanted;
    if (isHeld || behind < OWN_WAY_MS) return soundMs;
    return clamp(soundMs + behind / 2, SOUND_WAIT_MS, MAX_WAIT_MS);
  }
}

/** Names the streams of a session description anew: a browser compares the clocks of what is in the same
 * stream, and the server puts each track in one of its own. `groupOf` says for a track's sid what it
 * belongs to; undefined: nothing. */
export function joinStreams(sdp: string, groupOf: (sid: string) => string | undefined): string {
  return sdp.replace(
    /^(a=(?:ssrc:\d+ )?msid:PA_[^|\s]+\|)(TR_\S+)(?= )/gm,
    (_, participant: string, sid: string) => participant + (groupOf(sid) ?? sid),
  );
}
