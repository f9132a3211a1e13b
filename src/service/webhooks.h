#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "livekit_egress.pb-c.h"

/* egress_started, egress_updated and egress_ended, sent as livekit-server sends them: POST of JSON,
 * signed by a JWT with the SHA-256 of the body; to the config's URLs and to those of the request
 * (its `webhooks`, with their filters; not to those that name another signing key than ours). Each
 * URL gets its events in order, one at a time; one that does not take them holds up no other, and
 * is tried again with growing pauses, some minutes long. Loop's thread only. */
typedef struct _EgWebhooks EgWebhooks;

EgWebhooks *eg_webhooks_new(EgLoop *loop, const EgConfig *config, const EgLog *log);
void eg_webhooks_free(EgWebhooks *webhooks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgWebhooks, eg_webhooks_free)

/* `is_new`: egress_started; else by the status, as livekit-server does. */
void eg_webhooks_send(EgWebhooks *webhooks, const Livekit__EgressInfo *info, bool is_new);

/* Tells of each event of eg_webhooks_post() that is taken, or given up. From the loop. */
void eg_webhooks_set_done(EgWebhooks *webhooks, void (*done)(gpointer user, const char *egress_id),
                          gpointer user);

/* Any other event, likewise, to one URL. `name` and `egress_id` are for the log. False: the URL is
 * none, which is logged. */
bool eg_webhooks_post(EgWebhooks *webhooks, const char *url, const char *name,
                      const char *egress_id, GBytes *body);

/* Events that were not taken yet. */
guint eg_webhooks_pending(const EgWebhooks *webhooks);
