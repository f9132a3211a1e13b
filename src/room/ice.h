#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "room/transport.h"

/* ICE (RFC 8445, 8838) by libnice, with one component: finds a way to the peer and carries
 * datagrams over it. Events but `datagram` never come from inside a call; all come on the thread of
 * the loop. */
typedef struct _EgIce EgIce;

typedef struct {
    void (*candidate)(gpointer user, const char *candidate);
    void (*connected)(gpointer user); /* after a start or restart */
    void (*lost)(gpointer user);      /* was connected; or could not connect in time */
    /* The bytes may be changed. EgIce may be freed inside. */
    void (*datagram)(gpointer user, guint8 *data, gsize size_bytes);
} EgIceEvents;

EgIce *eg_ice_new(EgLoop *loop, const EgLog *log, const EgIceServer *servers, gsize n_servers,
                  const EgIceEvents *events, gpointer user, GError **error);
void eg_ice_free(EgIce *ice);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgIce, eg_ice_free)

const char *eg_ice_ufrag(const EgIce *ice);
const char *eg_ice_password(const EgIce *ice);

/* The first call starts gathering and checking; one with other credentials restarts both. Until the
 * restart has connected, datagrams go on over the old way. */
bool eg_ice_set_remote(EgIce *ice, const char *ufrag, const char *password, GError **error);

/* See eg_transport_add_candidate(). May come before eg_ice_set_remote(). */
bool eg_ice_add_candidate(EgIce *ice, const char *candidate, GError **error);

/* False if nothing is connected or the socket's buffer is full: the datagram is lost. */
bool eg_ice_send(EgIce *ice, const guint8 *data, gsize size_bytes);
