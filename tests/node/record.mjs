// Records a participant with LiveKit's client for Node: its input is one line of JSON that says what
// to record; a second line, or the end, stops it. Each answer is printed as a line of JSON.
import { createInterface } from "node:readline";
import { EgressClient, EncodedFileOutput } from "livekit-server-sdk";

const say = (info) => console.log(JSON.stringify(info.toJson()));

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, key, secret, room, identity, filepath } = JSON.parse((await lines.next()).value);
const client = new EgressClient(url, key, secret);
const output = { file: new EncodedFileOutput({ filepath }) };
const { egressId } = await client.startParticipantEgress(room, identity, output);
say((await client.listEgress({ egressId }))[0]);
await lines.next();
say(await client.stopEgress(egressId));
process.exit();
