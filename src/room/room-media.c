#include "base/error.h"
#include "base/time.h"
#include "room/room-private.h"
#include "room/sdp.h"

#include <jansson.h>
#include <string.h>

#define MAX_CANDIDATE_BYTES 4096

static void send_candidate(gpointer user, const char *candidate)
{
    EgRoom *room = user;
    if (!room->is_signal_ready)
        return; /* a resume gathers anew */
    json_t *init =
        json_pack("{s:s,s:s,s:i}", "candidate", candidate, "sdpMid", "0", "sdpMLineIndex", 0);
    char *text = init != NULL ? json_dumps(init, JSON_COMPACT) : NULL;
    json_decref(init);
    if (text == NULL)
        return;
    Livekit__TrickleRequest trickle = LIVEKIT__TRICKLE_REQUEST__INIT;
    trickle.candidateinit = text;
    trickle.target = LIVEKIT__SIGNAL_TARGET__SUBSCRIBER;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRICKLE;
    request.trickle = &trickle;
    eg_signal_send(room->signal, &request);
    free(text);
}

static void on_transport_connected(gpointer user)
{
    eg_room_connect_media_up(user);
}

static void on_transport_disconnected(gpointer user)
{
    eg_room_connect_media_lost(user);
}

static void on_transport_failed(gpointer user, const GError *error)
{
    eg_room_connect_media_failed(user, error);
}

bool eg_room_media_start(EgRoom *room, Livekit__ICEServer *const *servers, gsize n_servers,
                         GError **error)
{
    static const EgTransportEvents events = {
        .candidate = send_candidate,
        .connected = on_transport_connected,
        .disconnected = on_transport_disconnected,
        .failed = on_transport_failed,
    };
    eg_room_media_stop(room);
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(EgIceServer));
    for (gsize i = 0; i < n_servers; i++) {
        for (gsize j = 0; j < servers[i]->n_urls; j++) {
            const EgIceServer server = {.url = servers[i]->urls[j],
                                        .username = servers[i]->username,
                                        .credential = servers[i]->credential};
            g_array_append_val(list, server);
        }
    }
    room->transport = eg_transport_new(room->loop, room->log, (const EgIceServer *)list->data,
                                       list->len, &events, room, error);
    room->sdp_session_id = g_random_int();
    room->sdp_version = 0;
    return room->transport != NULL;
}

void eg_room_media_stop(EgRoom *room)
{
    g_autoptr(GPtrArray) subscriptions = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->subscriptions);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        g_ptr_array_add(subscriptions, value);
    for (guint i = 0; i < subscriptions->len; i++)
        eg_room_media_detach(room, g_ptr_array_index(subscriptions, i));
    g_ptr_array_set_size(room->dropped, 0);
    g_clear_pointer(&room->transport, eg_transport_free);
    g_hash_table_remove_all(room->streams);
    g_clear_pointer(&room->offer, g_free);
    g_clear_pointer(&room->answer, g_free);
    memset(room->codecs, 0, sizeof room->codecs);
    room->is_media_up = false;
    room->was_media_up = false;
    g_clear_error(&room->media_error);
}

static void end_stream(EgRoom *room, RoomSubscription *subscription)
{
    if (!subscription->is_started)
        return;
    subscription->is_started = false;
    if (!subscription->is_dropped)
        ROOM_EMIT(room, stream_ended, subscription->track);
}

static void start_stream(EgRoom *room, RoomSubscription *subscription, EgCodec codec)
{
    end_stream(room, subscription);
    if (subscription->is_dropped)
        return;
    subscription->codec = codec;
    subscription->is_started = true;
    eg_info(room->log, "stream started", EG_STR("trackID", subscription->sid),
            EG_STR("codec", eg_codec_info(codec)->name));
    ROOM_EMIT(room, stream_started, subscription->track, codec,
              eg_codec_info(codec)->clock_rate_hz);
    if (subscription->has_report && !subscription->is_dropped)
        ROOM_EMIT(room, sender_report, subscription->track, &subscription->report);
    subscription->has_report = false;
}

static void on_packet(gpointer user, EgPacket *packet)
{
    RoomSubscription *subscription = user;
    EgRoom *room = subscription->room;
    const EgCodec codec = room->codecs[packet->payload_type & 127];
    if (subscription->is_dropped || codec == EG_CODEC_NONE)
        return;
    if (!subscription->is_started || subscription->codec != codec)
        start_stream(room, subscription, codec);
    if (!subscription->is_dropped)
        ROOM_EMIT(room, packet, subscription->track, packet);
}

static void on_sender_report(gpointer user, const EgSenderReport *report)
{
    RoomSubscription *subscription = user;
    if (subscription->is_dropped)
        return;
    if (subscription->is_started) {
        ROOM_EMIT(subscription->room, sender_report, subscription->track, report);
        return;
    }
    subscription->report = *report;
    subscription->has_report = true;
}

void eg_room_media_add_stats(EgReceiverStats *sum, const EgReceiver *receiver)
{
    EgReceiverStats stats;
    eg_receiver_get_stats(receiver, &stats);
    sum->packets += stats.packets;
    sum->bytes += stats.bytes;
    sum->lost += stats.lost;
    sum->recovered += stats.recovered;
    sum->nacks += stats.nacks;
    sum->plis += stats.plis;
}

void eg_room_media_detach(EgRoom *room, RoomSubscription *subscription)
{
    if (subscription->receiver != NULL) {
        EgReceiver *receiver = g_steal_pointer(&subscription->receiver);
        eg_room_media_add_stats(&subscription->past_stats, receiver);
        eg_transport_remove_receiver(room->transport, receiver);
    }
    subscription->has_report = false;
    end_stream(room, subscription);
}

static bool is_ssrc_taken(EgRoom *room, guint32 ssrc)
{
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->subscriptions);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const RoomSubscription *subscription = value;
        if (subscription->receiver != NULL &&
            (subscription->ssrc == ssrc || subscription->rtx_ssrc == ssrc))
            return true;
    }
    return false;
}

void eg_room_media_attach(EgRoom *room, RoomSubscription *subscription)
{
    static const EgReceiverEvents events = {.packet = on_packet, .sender_report = on_sender_report};
    const RoomStream *stream = g_hash_table_lookup(room->streams, subscription->sid);
    if (stream == NULL || room->transport == NULL || subscription->receiver != NULL ||
        subscription->is_dropped || subscription->error != NULL)
        return;
    if (is_ssrc_taken(room, stream->ssrc) ||
        (stream->rtx_ssrc != 0 && is_ssrc_taken(room, stream->rtx_ssrc))) {
        eg_warn(room->log, "two tracks with the same SSRC", EG_STR("trackID", subscription->sid),
                EG_INT("ssrc", stream->ssrc));
        return;
    }
    const EgPublication *publication = g_hash_table_lookup(room->publications, subscription->sid);
    const bool is_known = publication != NULL && publication->codec != EG_CODEC_NONE;
    const EgReceiverParams params = {
        .ssrc = stream->ssrc,
        .rtx_ssrc = stream->rtx_ssrc,
        .media = stream->media,
        .clock_rate_hz =
            is_known ? eg_codec_info(publication->codec)->clock_rate_hz : stream->clock_rate_hz,
        .has_nack = stream->has_nack,
        .has_pli = stream->has_pli,
        .give_up_ns = room->packet_give_up_ns,
    };
    subscription->ssrc = stream->ssrc;
    subscription->rtx_ssrc = stream->rtx_ssrc;
    subscription->had_receiver = true;
    subscription->receiver =
        eg_transport_add_receiver(room->transport, &params, &events, subscription);
    if (subscription->wants_key_frame)
        eg_receiver_set_wants_key_frame(subscription->receiver, true);
}

/* Streams that have gone or changed end before new ones begin: an SSRC may have moved. */
static void reconcile_receivers(EgRoom *room)
{
    g_autoptr(GPtrArray) subscriptions = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->subscriptions);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        g_ptr_array_add(subscriptions, value);

    for (guint i = 0; i < subscriptions->len; i++) {
        RoomSubscription *subscription = g_ptr_array_index(subscriptions, i);
        const RoomStream *stream = g_hash_table_lookup(room->streams, subscription->sid);
        if (stream == NULL || stream->ssrc != subscription->ssrc ||
            stream->rtx_ssrc != subscription->rtx_ssrc)
            eg_room_media_detach(room, subscription);
    }
    for (guint i = 0; i < subscriptions->len; i++)
        eg_room_media_attach(room, g_ptr_array_index(subscriptions, i));
}

static void note_codecs(EgRoom *room, const EgSdpMedia *media)
{
    for (guint i = 0; i < media->codecs->len; i++) {
        const EgSdpCodec *codec = &g_array_index(media->codecs, EgSdpCodec, i);
        if (codec->codec == EG_CODEC_NONE)
            continue;
        room->codecs[codec->payload_type] = codec->codec;
        if (codec->rtx_payload_type != 0)
            eg_transport_set_rtx_payload_type(room->transport, codec->rtx_payload_type,
                                              codec->payload_type);
    }
}

/* The server's table says which track an m-line carries; older servers only say it in the SDP. */
static const char *find_track_sid(const Livekit__SessionDescription *offer, const EgSdpMedia *media)
{
    for (gsize i = 0; media->mid != NULL && i < offer->n_mid_to_track_id; i++)
        if (strcmp(offer->mid_to_track_id[i]->key, media->mid) == 0 &&
            *offer->mid_to_track_id[i]->value != '\0')
            return offer->mid_to_track_id[i]->value;
    return media->track_sid;
}

static void note_stream(EgRoom *room, const EgSdpMedia *media, const char *track_sid)
{
    RoomStream stream = {.ssrc = media->ssrc, .rtx_ssrc = media->rtx_ssrc, .media = media->media};
    for (guint i = 0; i < media->codecs->len; i++) {
        const EgSdpCodec *codec = &g_array_index(media->codecs, EgSdpCodec, i);
        if (codec->codec == EG_CODEC_NONE)
            continue;
        if (stream.clock_rate_hz == 0)
            stream.clock_rate_hz = eg_codec_info(codec->codec)->clock_rate_hz;
        stream.has_nack |= codec->has_nack;
        stream.has_pli |= codec->has_pli;
    }
    if (stream.clock_rate_hz != 0)
        g_hash_table_insert(room->streams, g_strdup(track_sid), g_memdup2(&stream, sizeof stream));
}

static void note_offer(EgRoom *room, const Livekit__SessionDescription *offer,
                       const EgSdpOffer *parsed)
{
    g_hash_table_remove_all(room->streams);
    for (guint i = 0; i < parsed->media->len; i++) {
        const EgSdpMedia *media = g_ptr_array_index(parsed->media, i);
        if (media->is_rejected)
            continue;
        note_codecs(room, media);
        const char *track_sid = find_track_sid(offer, media);
        if (media->is_sending && media->ssrc != 0 && track_sid != NULL)
            note_stream(room, media, track_sid);
    }
}

static void add_candidate(EgRoom *room, const char *candidate)
{
    g_autoptr(GError) error = NULL;
    if (!eg_transport_add_candidate(room->transport, candidate, &error))
        eg_debug(room->log, "candidate ignored", EG_STR("error", error->message));
}

static void send_answer(EgRoom *room, guint32 id)
{
    Livekit__SessionDescription answer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    answer.type = (char *)"answer";
    answer.sdp = room->answer;
    answer.id = id;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER;
    request.answer = &answer;
    eg_signal_send(room->signal, &request);
}

static bool answer_offer(EgRoom *room, const Livekit__SessionDescription *offer, GError **error)
{
    g_autoptr(EgSdpOffer) parsed = eg_sdp_offer_parse(offer->sdp, error);
    if (parsed == NULL || !eg_transport_set_remote(room->transport, parsed->ufrag, parsed->password,
                                                   parsed->fingerprint_sha256, error))
        return false;
    for (guint i = 0; i < parsed->candidates->len; i++)
        add_candidate(room, g_ptr_array_index(parsed->candidates, i));

    const EgSdpLocal local = {
        .ufrag = eg_transport_ufrag(room->transport),
        .password = eg_transport_password(room->transport),
        .fingerprint_sha256 = eg_transport_fingerprint(room->transport),
        .session_id = room->sdp_session_id,
        .version = ++room->sdp_version,
    };
    g_free(room->offer);
    g_free(room->answer);
    room->offer = g_strdup(offer->sdp);
    room->answer = eg_sdp_answer_format(parsed, &local);
    note_offer(room, offer, parsed);
    /* Before the answer: what it lets the server send finds its receiver. */
    g_ptr_array_set_size(room->dropped, 0);
    reconcile_receivers(room);
    if (room->is_signal_ready)
        send_answer(room, offer->id);
    return true;
}

void eg_room_media_offer(EgRoom *room, const Livekit__SessionDescription *offer)
{
    if (room->transport == NULL)
        return;
    g_autoptr(GError) error = NULL;
    if (!answer_offer(room, offer, &error)) {
        g_prefix_error(&error, "the server's offer cannot be answered: ");
        eg_room_connect_media_failed(room, error);
    }
}

/* {"candidate":"candidate:...","sdpMid":"0","sdpMLineIndex":0}, an empty one being the end. */
void eg_room_media_candidate(EgRoom *room, const Livekit__TrickleRequest *trickle)
{
    if (room->transport == NULL || trickle->target != LIVEKIT__SIGNAL_TARGET__SUBSCRIBER ||
        strlen(trickle->candidateinit) > MAX_CANDIDATE_BYTES)
        return;
    json_t *init = json_loads(trickle->candidateinit, JSON_REJECT_DUPLICATES, NULL);
    const char *candidate = json_string_value(json_object_get(init, "candidate"));
    if (candidate != NULL && *candidate != '\0')
        add_candidate(room, candidate);
    json_decref(init);
}
