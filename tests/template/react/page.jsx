// A template as people have written them with LiveKit's React components. It shows what that of sdk/ does.
import { LiveKitRoom, RoomAudioRenderer, useRoomContext, useTracks, VideoTrack } from "@livekit/components-react";
import EgressHelper from "@livekit/egress-sdk";
import { Track } from "livekit-client";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

function useLayout() {
  const room = useRoomContext();
  const [layout, setLayout] = useState(EgressHelper.getLayout());
  useEffect(() => {
    EgressHelper.onLayoutChanged(setLayout);
    EgressHelper.setRoom(room);
  }, [room]);
  return layout;
}

function Stage() {
  const layout = useLayout();
  const [isStarted, setStarted] = useState(false);
  const cameras = useTracks([Track.Source.Camera], { onlySubscribed: true });
  const newest = cameras.at(-1);

  useEffect(() => {
    if (isStarted) EgressHelper.startRecording();
  }, [isStarted]);
  useEffect(() => {
    document.body.style.background = layout || "green";
    if (layout === "end") EgressHelper.endRecording();
  }, [layout]);

  if (layout === "fail") return <div className="error">this template has failed</div>;
  return (
    <div id="people">{newest && <VideoTrack trackRef={newest} onPlaying={() => setStarted(true)} />}</div>
  );
}

createRoot(document.getElementById("root")).render(
  <LiveKitRoom
    serverUrl={EgressHelper.getLiveKitURL()}
    token={EgressHelper.getAccessToken()}
    options={{ adaptiveStream: true }}
  >
    <Stage />
    <RoomAudioRenderer />
  </LiveKitRoom>,
);
