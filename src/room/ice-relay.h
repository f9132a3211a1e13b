#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "room/transport.h"

#include <nice/agent.h>

/* The STUN and TURN servers that libnice is to use, those over TLS through tunnels of ours. */
typedef struct _EgIceRelays EgIceRelays;

/* `log` must live as long. */
EgIceRelays *eg_ice_relays_new(EgLoop *loop, const EgLog *log);
void eg_ice_relays_free(EgIceRelays *relays); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgIceRelays, eg_ice_relays_free)

/* A TURN server is remembered for eg_ice_relays_use(), a STUN server becomes that of the agent.
 * What cannot be used is left out with a warning: there may be other ways. */
void eg_ice_relays_add(EgIceRelays *relays, NiceAgent *agent, const EgIceServer *server);

/* Whether there is no TURN server. */
bool eg_ice_relays_is_empty(const EgIceRelays *relays);

/* Has a component gather candidates at each TURN server. */
void eg_ice_relays_use(const EgIceRelays *relays, NiceAgent *agent, guint stream, guint component);

/* Has libnice ask the TURN server anew for the channel of the pair of candidates that is in use;
 * what is sent and received goes on. False: it leads over none. */
bool eg_ice_relays_ask_again(NiceAgent *agent, guint stream, guint component);
