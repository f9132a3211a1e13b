// A template as people have written them with LiveKit's SDK. The left half is of the colour that the
// layout names, the right half shows the newest camera. The layout "fail" is an error of the template,
// "end" ends the recording.
import EgressHelper from "@livekit/egress-sdk";
import { Room, RoomEvent, Track } from "livekit-client";

const people = document.getElementById("people");
const room = new Room({ adaptiveStream: true });

function setLayout(layout) {
  if (layout === "fail") {
    const error = document.createElement("div");
    error.className = "error";
    error.textContent = "this template has failed";
    document.body.append(error);
  } else if (layout === "end") {
    EgressHelper.endRecording();
  } else {
    document.body.style.background = layout || "green";
  }
}

let isStarted = false;

function start() {
  if (isStarted) return;
  isStarted = true;
  EgressHelper.startRecording();
}

room.on(RoomEvent.TrackSubscribed, (track) => {
  const element = track.attach();
  if (track.kind === Track.Kind.Audio) return;
  element.requestVideoFrameCallback(start);
  people.replaceChildren(element);
});
room.on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()));

EgressHelper.onLayoutChanged(setLayout);
setLayout(EgressHelper.getLayout());
room
  .connect(EgressHelper.getLiveKitURL(), EgressHelper.getAccessToken())
  .then(() => EgressHelper.setRoom(room));
