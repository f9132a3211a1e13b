#pragma once

#include <protobuf-c/protobuf-c.h>

/* Secrets never leave the process: keys of stores, stream keys, tokens, query values of URLs. */

/* Replaces all secrets in a request of any kind (or any message that contains one: EgressInfo,
 * UpdateStreamRequest) in place, as LiveKit's service does it ("{access_key}", "{abc...xyz}");
 * webhooks stay, since livekit-server reads them from the echo. Every list is treated, however
 * long. Unknown fields, in which nobody knows what is secret, are dropped. A second time changes
 * nothing. The strings are on the heap, as protobuf-c unpacks them. */
void eg_redact_message(ProtobufCMessage *message);

/* The same for one URL of an output: the key of rtmp(s)://host/app/key, mux://key and twitch://key
 * becomes "{abc...xyz}"; of any other, query values and the fragment "{...}"; user information
 * always "{...}". What is no URL is treated as a key. A new string; valid UTF-8 if `url` is. */
char *eg_redact_url(const char *url);

/* Of a page that is recorded nothing but the user information: clients tell egresses apart by the
 * rest. A new string. */
char *eg_redact_user(const char *url);
