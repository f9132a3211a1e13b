#include "room/srtp.h"

#include "base/error.h"
#include "room/bytes.h"

#include <srtp2/srtp.h>

/* Packets may be this far behind the newest of their stream. */
#define WINDOW_PACKETS 1024

/* libsrtp keeps something for each SSRC that it has ever seen. It has to for those in use, and
 * should for those that may come again, since their packet counters go on; but not without bound.
 * The oldest go first: those of a room that has been in use for long are far from being the oldest,
 * because each packet of theirs makes them the newest. */
#define MAX_STREAMS 512

typedef struct {
    guint32 ssrc;
    GList link;
} Stream;

struct _EgSrtp {
    srtp_t receive;
    srtp_t send;
    GHashTable *streams; /* SSRC -> Stream, those that `receive` knows */
    GQueue order;        /* of Stream, the one used last at the head */
};

/* Fails when another library of the process has done it before, which is as good; if it failed
 * otherwise, no session can be created. */
void eg_srtp_prepare(void)
{
    static gsize once = 0;
    if (g_once_init_enter(&once)) {
        srtp_init();
        g_once_init_leave(&once, 1);
    }
}

static srtp_t new_session(const EgSrtpKeys *keys, const guint8 *key, srtp_ssrc_type_t direction)
{
    srtp_policy_t policy = {
        .ssrc = {.type = direction},
        .key = (unsigned char *)key,
        .window_size = WINDOW_PACKETS,
    };
    if (keys->profile == EG_SRTP_AEAD_AES_128_GCM) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
    }
    srtp_t session = NULL;
    if (srtp_create(&session, &policy) != srtp_err_status_ok)
        return NULL;
    return session;
}

static void free_stream(gpointer data)
{
    g_free(data);
}

EgSrtp *eg_srtp_new(const EgSrtpKeys *keys, GError **error)
{
    g_autoptr(EgSrtp) srtp = g_new0(EgSrtp, 1);
    srtp->streams = g_hash_table_new_full(NULL, NULL, NULL, free_stream);
    eg_srtp_prepare();
    srtp->receive = new_session(keys, keys->receive, ssrc_any_inbound);
    srtp->send = new_session(keys, keys->send, ssrc_any_outbound);
    if (srtp->receive == NULL || srtp->send == NULL) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot set up SRTP");
        return NULL;
    }
    return g_steal_pointer(&srtp);
}

void eg_srtp_free(EgSrtp *srtp)
{
    if (srtp == NULL)
        return;
    if (srtp->receive != NULL)
        srtp_dealloc(srtp->receive);
    if (srtp->send != NULL)
        srtp_dealloc(srtp->send);
    g_hash_table_unref(srtp->streams);
    g_free(srtp);
}

static void remember(EgSrtp *srtp, guint32 ssrc)
{
    Stream *stream = g_hash_table_lookup(srtp->streams, GUINT_TO_POINTER(ssrc));
    if (stream != NULL) {
        g_queue_unlink(&srtp->order, &stream->link);
    } else {
        stream = g_new0(Stream, 1);
        stream->ssrc = ssrc;
        stream->link.data = stream;
        g_hash_table_insert(srtp->streams, GUINT_TO_POINTER(ssrc), stream);
    }
    g_queue_push_head_link(&srtp->order, &stream->link);
    if (srtp->order.length > MAX_STREAMS) {
        Stream *oldest = g_queue_pop_tail_link(&srtp->order)->data;
        srtp_remove_stream(srtp->receive, g_htonl(oldest->ssrc));
        g_hash_table_remove(srtp->streams, GUINT_TO_POINTER(oldest->ssrc));
    }
}

bool eg_srtp_unprotect_rtp(EgSrtp *srtp, guint8 *data, gsize *size_bytes)
{
    if (*size_bytes < 12 || *size_bytes > G_MAXUINT16)
        return false;
    guint32 ssrc = eg_get_u32(data + 8);
    int size = (int)*size_bytes;
    if (srtp_unprotect(srtp->receive, data, &size) != srtp_err_status_ok)
        return false;
    *size_bytes = (gsize)size;
    remember(srtp, ssrc);
    return true;
}

bool eg_srtp_unprotect_rtcp(EgSrtp *srtp, guint8 *data, gsize *size_bytes)
{
    if (*size_bytes < 8 || *size_bytes > G_MAXUINT16)
        return false;
    guint32 ssrc = eg_get_u32(data + 4);
    int size = (int)*size_bytes;
    if (srtp_unprotect_rtcp(srtp->receive, data, &size) != srtp_err_status_ok)
        return false;
    *size_bytes = (gsize)size;
    remember(srtp, ssrc);
    return true;
}

bool eg_srtp_protect_rtcp(EgSrtp *srtp, guint8 *data, gsize *size_bytes)
{
    int size = (int)*size_bytes;
    if (srtp_protect_rtcp(srtp->send, data, &size) != srtp_err_status_ok)
        return false;
    *size_bytes = (gsize)size;
    return true;
}
