// What the page needs to know of a room: who is to be seen, and whose sound is to be heard.

import {
  ParticipantKind,
  type RemoteParticipant,
  type RemoteTrackPublication,
  type Room,
  RoomEvent,
  Track,
} from "livekit-client";
import type { Seat } from "./choice";
import type { Media } from "./signals";

/** What a tile shows: a participant, or his screen. */
export interface Guest extends Seat {
  readonly name: string;
  readonly isMuted: boolean;
  readonly video: RemoteTrackPublication | undefined;
}

/** Not those who only record, nor an audience that could not show anything. */
function isShown({ kind, permissions, trackPublications }: RemoteParticipant): boolean {
  if (kind === ParticipantKind.EGRESS || permissions?.hidden || permissions?.recorder) return false;
  return permissions?.canPublish !== false || trackPublications.size > 0;
}

function videoOf(participant: RemoteParticipant, source: Track.Source) {
  for (const publication of participant.videoTrackPublications.values()) {
    if (publication.source === source) return publication;
  }
  return undefined;
}

function isOn(publication: RemoteTrackPublication | undefined): boolean {
  return publication !== undefined && !publication.isMuted;
}

function guestsOf(participant: RemoteParticipant): Guest[] {
  const { identity } = participant;
  const microphone = participant.getTrackPublication(Track.Source.Microphone);
  const shared = {
    identity,
    name: participant.name || identity,
    isMuted: microphone === undefined || microphone.isMuted,
  };
  const camera =
    videoOf(participant, Track.Source.Camera) ?? videoOf(participant, Track.Source.Unknown);
  const screen = videoOf(participant, Track.Source.ScreenShare);
  const guests: Guest[] = [
    { ...shared, key: `${identity}/camera`, kind: "camera", hasVideo: isOn(camera), video: camera },
  ];
  if (isOn(screen) && screen?.track !== undefined)
    guests.push({
      ...shared,
      key: `${identity}/screen`,
      kind: "screen",
      hasVideo: true,
      video: screen,
    });
  return guests;
}

function joinedAt(participant: RemoteParticipant): number {
  return participant.joinedAt?.getTime() ?? 0;
}

/** In the order in which they came, as far as that is known: it is in seconds. */
export function allGuests(room: Room): Guest[] {
  return [...room.remoteParticipants.values()]
    .filter(isShown)
    .sort((a, b) => joinedAt(a) - joinedAt(b) || (a.identity < b.identity ? -1 : 1))
    .flatMap(guestsOf);
}

export function mediaOf(room: Room): Media {
  const tracks = [...room.remoteParticipants.values()].flatMap((participant) => [
    ...participant.trackPublications.values(),
  ]);
  return {
    subscribed: tracks.filter((track) => track.isSubscribed).length,
    videos: tracks.filter((track) => track.kind === Track.Kind.Video && isOn(track)).length,
  };
}

/** After any of these, somebody may look different. */
const CHANGES = [
  RoomEvent.Connected,
  RoomEvent.Reconnected,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.ParticipantPermissionsChanged,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.ActiveSpeakersChanged,
] as const;

/** Calls back once for changes that come together. */
export function onChange(room: Room, changed: () => void): void {
  let isDue = false;
  const note = () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      changed();
    });
  };
  for (const event of CHANGES) room.on(event, note);
}

/** Plays everybody's sound, now and later. */
export function playSound(room: Room): void {
  room.on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind === Track.Kind.Audio) track.attach();
  });
  room.on(RoomEvent.TrackUnsubscribed, (track) => {
    if (track.kind === Track.Kind.Audio) track.detach();
  });
  // The service's browser plays at once; others want to be clicked first.
  addEventListener("click", () => void room.startAudio());
}
