#pragma once

#include "base/loop.h"
#include "config/config.h"

/* The few calls of livekit-server's RoomService API that are ours to make. Loop's thread only;
 * callbacks never come from inside a call. */
typedef struct _EgRoomApi EgRoomApi;

EgRoomApi *eg_room_api_new(EgLoop *loop, const EgConfig *config);

/* Calls under way are never told. */
void eg_room_api_free(EgRoomApi *api);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRoomApi, eg_room_api_free)

/* RoomService.UpdateParticipant: the error is the server's own, or unavailable. */
void eg_room_api_set_metadata(EgRoomApi *api, const char *room_name, const char *identity,
                              const char *metadata,
                              void (*done)(gpointer user, const GError *error), gpointer user);
