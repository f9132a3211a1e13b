/* The room, told anything in any order: by the server, by the network below it and by its user. The
 * input is a list of records: a byte that says what happens, a byte with a number for it, two bytes
 * with the length of what follows, and that. The transport is a mock. */
#include "base/error.h"
#include "base/log.h"
#include "mock/mock-signal.h"
#include "mock/mock-transport.h"
#include "room/room.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OP_MESSAGE, /* from the server, a livekit.SignalResponse */
    OP_CLOSED,  /* the number is why */
    OP_MEDIA,   /* 0 up, 1 down, 2 failed, 3 a candidate */
    OP_PACKET,  /* on the stream with this SSRC (four bytes), with the number as payload type */
    OP_USER,    /* 0 unsubscribe, 1 subscribe, 2 key frame, 3 statistics, of the track named */
    N_OPS,
};

#define MAX_RECORDS 64

typedef struct {
    EgLoop *loop;
    EgRoom *room;
    GHashTable *tracks;    /* sid -> itself, of all tracks ever named */
    GHashTable *published; /* set of tracks */
    GHashTable *streaming; /* set of tracks that have a stream */
    bool has_joined;
    bool has_ended;
} Listener;

static void on_joined(gpointer user, const char *room_name, const char *room_sid)
{
    Listener *listener = user;
    g_assert_false(listener->has_joined || listener->has_ended);
    g_assert_true(g_utf8_validate(room_name, -1, NULL) && g_utf8_validate(room_sid, -1, NULL));
    listener->has_joined = true;
}

static void on_participant(gpointer user, const EgParticipant *participant)
{
    Listener *listener = user;
    g_assert_false(listener->has_ended);
    g_assert_true(g_utf8_validate(participant->identity, -1, NULL));
}

/* What the room is given for a track: the same for the same sid. */
static gpointer track_of(Listener *listener, const char *sid)
{
    gpointer track = g_hash_table_lookup(listener->tracks, sid);
    if (track == NULL) {
        track = g_strdup(sid);
        g_hash_table_add(listener->tracks, track);
    }
    return track;
}

static void on_published(gpointer user, const EgPublication *publication)
{
    Listener *listener = user;
    g_assert_true(g_hash_table_add(listener->published, track_of(listener, publication->sid)));
    eg_room_subscribe(listener->room, publication->sid, track_of(listener, publication->sid));
}

static void on_unpublished(gpointer user, const EgPublication *publication)
{
    Listener *listener = user;
    g_assert_true(g_hash_table_remove(listener->published, track_of(listener, publication->sid)));
    g_assert_false(
        g_hash_table_contains(listener->streaming, track_of(listener, publication->sid)));
}

static void on_muted(gpointer user, const EgPublication *publication)
{
    Listener *listener = user;
    g_assert_true(g_hash_table_contains(listener->published, track_of(listener, publication->sid)));
}

static void on_stream_started(gpointer user, gpointer track, EgCodec codec, guint clock_rate_hz)
{
    Listener *listener = user;
    g_assert_true(g_hash_table_add(listener->streaming, track));
    g_assert_cmpuint(eg_codec_info(codec)->clock_rate_hz, ==, clock_rate_hz);
}

static void on_packet(gpointer user, gpointer track, EgPacket *packet)
{
    Listener *listener = user;
    g_assert_nonnull(packet);
    g_assert_true(g_hash_table_contains(listener->streaming, track));
}

static void on_stream_ended(gpointer user, gpointer track)
{
    Listener *listener = user;
    g_assert_true(g_hash_table_remove(listener->streaming, track));
}

static void on_failed(gpointer user, gpointer track, const GError *error)
{
    Listener *listener = user;
    g_assert_nonnull(error);
    g_assert_false(g_hash_table_contains(listener->streaming, track));
}

static void on_ended(gpointer user, EgRoomEnd end, const GError *error)
{
    Listener *listener = user;
    g_assert_false(listener->has_ended);
    g_assert_cmpint(end == EG_ROOM_END_FAILED, ==, error != NULL);
    g_assert_cmpuint(g_hash_table_size(listener->streaming), ==, 0);
    listener->has_ended = true;
}

static void apply_media(guint8 number)
{
    if (mock_transport() == NULL)
        return;
    if (number == 0)
        mock_transport_connect();
    else if (number == 1)
        mock_transport_disconnect();
    else if (number == 2)
        mock_transport_fail("failed");
    else
        mock_transport_candidate("candidate:1 1 udp 1 10.0.0.1 1 typ host");
}

static void apply_packet(guint8 number, const guint8 *data, gsize size_bytes)
{
    guint32 ssrc = 0;
    for (gsize i = 0; i < size_bytes && i < 4; i++)
        ssrc = ssrc << 8 | data[i];
    EgReceiver *receiver = mock_receiver(ssrc);
    if (receiver == NULL)
        return;
    mock_receiver_report(receiver, 1);
    mock_receiver_packet(receiver, number & 127, 1);
}

static void apply_user(Listener *listener, guint8 number, const guint8 *data, gsize size_bytes)
{
    g_autofree char *raw = g_strndup((const char *)data, size_bytes);
    g_autofree char *sid = g_utf8_make_valid(raw, -1);
    EgReceiverStats stats;
    if (number == 0) {
        eg_room_unsubscribe(listener->room, sid);
        g_hash_table_remove(listener->streaming, track_of(listener, sid));
    } else if (number == 1) {
        eg_room_subscribe(listener->room, sid, track_of(listener, sid));
    } else if (number == 2) {
        eg_room_set_wants_key_frame(listener->room, sid, true);
    } else {
        eg_room_get_stats(listener->room, sid, &stats);
    }
}

static void apply(Listener *listener, guint8 op, guint8 number, const guint8 *data,
                  gsize size_bytes)
{
    switch (op % N_OPS) {
    case OP_MESSAGE:
        mock_signal_deliver(data, size_bytes);
        break;
    case OP_CLOSED:
        mock_signal_close((EgErrorCode)(1 + number % (EG_N_ERRORS - 1)));
        break;
    case OP_MEDIA:
        apply_media(number);
        break;
    case OP_PACKET:
        apply_packet(number, data, size_bytes);
        break;
    default:
        apply_user(listener, number, data, size_bytes);
        break;
    }
    for (int i = 0; i < 8 && eg_loop_iterate(listener->loop, false); i++)
        ;
}

static void replay(Listener *listener, const guint8 *data, gsize size_bytes)
{
    for (guint n = 0; n < MAX_RECORDS && size_bytes >= 4; n++) {
        const gsize length = MIN((gsize)(data[2] << 8 | data[3]), size_bytes - 4);
        apply(listener, data[0], data[1], data + 4, length);
        data += 4 + length;
        size_bytes -= 4 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const EgRoomEvents events = {
        .joined = on_joined,
        .participant_joined = on_participant,
        .participant_left = on_participant,
        .published = on_published,
        .unpublished = on_unpublished,
        .muted = on_muted,
        .stream_started = on_stream_started,
        .packet = on_packet,
        .stream_ended = on_stream_ended,
        .subscription_failed = on_failed,
        .ended = on_ended,
    };
    /* Nothing is waited for: what has a delay happens at once. */
    static const EgRoomTiming timing = {.media_ns = G_MAXINT64 / 4, .give_up_ns = G_MAXINT64 / 4};
    static const EgRoomParams params = {.url = "ws://host", .token = "token", .timing = &timing};

    eg_log_setup(EG_LOG_NONE, false);
    Listener listener = {.loop = eg_loop_new(),
                         .tracks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                         .published = g_hash_table_new(NULL, NULL),
                         .streaming = g_hash_table_new(NULL, NULL)};
    listener.room = eg_room_new(listener.loop, NULL, &params, &events, &listener);
    replay(&listener, data, size);
    eg_room_free(listener.room);
    g_hash_table_unref(listener.tracks);
    g_hash_table_unref(listener.published);
    g_hash_table_unref(listener.streaming);
    eg_loop_free(listener.loop);
    g_assert_null(mock_transport());
    return 0;
}
