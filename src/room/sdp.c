#include "room/sdp.h"

#include "base/error.h"

#include <string.h>

/* A room with a thousand subscriptions needs half of it. */
#define MAX_TEXT_BYTES (4 * 1024 * 1024)
#define MAX_MEDIA      1024
/* livekit-server lists a dozen codecs with as many retransmissions. */
#define MAX_CODECS 64
/* All m-lines repeat the same few. */
#define MAX_CANDIDATES  64
#define MAX_TOKEN_BYTES 256

typedef struct {
    EgSdpOffer *offer;
    EgSdpMedia *media; /* that the lines belong to; NULL before the first m-line */
} Parser;

static void clear_codec(gpointer data)
{
    EgSdpCodec *codec = data;
    g_free(codec->encoding);
    g_free(codec->parameters);
}

static void free_media(gpointer data)
{
    EgSdpMedia *media = data;
    g_free(media->kind);
    g_free(media->protocol);
    g_free(media->mid);
    g_free(media->track_sid);
    g_array_unref(media->codecs);
    g_free(media);
}

void eg_sdp_offer_free(EgSdpOffer *offer)
{
    if (offer == NULL)
        return;
    g_free(offer->ufrag);
    g_free(offer->password);
    g_free(offer->fingerprint_sha256);
    g_ptr_array_unref(offer->candidates);
    g_ptr_array_unref(offer->media);
    g_free(offer);
}

/* What we echo or hand on: one word of visible ASCII (the tokens of RFC 8866 and more). */
static bool is_word(const char *text)
{
    gsize length = 0;
    for (; text[length] != '\0'; length++)
        if (!g_ascii_isgraph(text[length]) || length >= MAX_TOKEN_BYTES)
            return false;
    return length > 0;
}

/* The same with spaces. */
static bool is_line(const char *text)
{
    gsize length = 0;
    for (; text[length] != '\0'; length++)
        if (!g_ascii_isprint(text[length]) || length >= MAX_TOKEN_BYTES)
            return false;
    return length > 0;
}

static void set_once(char **field, const char *value)
{
    if (*field == NULL && is_word(value))
        *field = g_strdup(value);
}

/* "111 rest" -> 111 and where the rest begins. */
static bool parse_number(const char *text, guint64 max, guint64 *number, const char **rest)
{
    char *end = NULL;
    if (!g_ascii_isdigit(*text))
        return false;
    *number = g_ascii_strtoull(text, &end, 10);
    if (*number > max || (*end != ' ' && *end != '\0'))
        return false;
    *rest = *end == ' ' ? end + 1 : end;
    return true;
}

static EgSdpCodec *find_codec(EgSdpMedia *media, guint64 payload_type)
{
    for (guint i = 0; i < media->codecs->len; i++) {
        EgSdpCodec *codec = &g_array_index(media->codecs, EgSdpCodec, i);
        if (codec->payload_type == payload_type)
            return codec;
    }
    return NULL;
}

/* m=video 9 UDP/TLS/RTP/SAVPF 96 97 */
static bool parse_media_line(Parser *parser, const char *value, GError **error)
{
    if (parser->offer->media->len >= MAX_MEDIA) {
        eg_error_set(error, EG_ERROR_RESOURCE_EXHAUSTED, EG_BLAME_SERVICE,
                     "the offer has more than %d m-lines", MAX_MEDIA);
        return false;
    }
    g_auto(GStrv) words = g_strsplit(value, " ", 3 + MAX_CODECS + 1);
    if (g_strv_length(words) < 4 || !is_word(words[0]) || !is_word(words[2])) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "the offer has an m-line with too few words");
        return false;
    }

    EgSdpMedia *media = g_new0(EgSdpMedia, 1);
    media->kind = g_strdup(words[0]);
    media->protocol = g_strdup(words[2]);
    media->is_rejected = strcmp(words[1], "0") == 0;
    media->is_data = strcmp(words[0], "application") == 0 && strstr(words[2], "SCTP") != NULL;
    if (strcmp(words[0], "audio") == 0)
        media->media = EG_MEDIA_AUDIO;
    else if (strcmp(words[0], "video") == 0)
        media->media = EG_MEDIA_VIDEO;
    media->is_sending = true; /* RFC 8866, 6.7: sendrecv if nothing is said */
    media->codecs = g_array_new(FALSE, TRUE, sizeof(EgSdpCodec));
    g_array_set_clear_func(media->codecs, clear_codec);

    for (guint i = 3; media->media != EG_MEDIA_NONE && i < 3 + MAX_CODECS && words[i] != NULL;
         i++) {
        guint64 payload_type = 0;
        const char *rest = NULL;
        if (!parse_number(words[i], 127, &payload_type, &rest) ||
            find_codec(media, payload_type) != NULL)
            continue;
        const EgSdpCodec codec = {.payload_type = (guint8)payload_type};
        g_array_append_val(media->codecs, codec);
    }
    g_ptr_array_add(parser->offer->media, media);
    parser->media = media;
    return true;
}

/* "111 opus/48000/2" */
static void parse_rtpmap(EgSdpMedia *media, const char *value)
{
    guint64 payload_type = 0;
    const char *rest = NULL;
    if (!parse_number(value, 127, &payload_type, &rest) || !is_word(rest))
        return;
    EgSdpCodec *codec = find_codec(media, payload_type);
    if (codec != NULL && codec->encoding == NULL)
        codec->encoding = g_strdup(rest);
}

/* "108 profile-level-id=42e01f;packetization-mode=1" */
static void parse_fmtp(EgSdpMedia *media, const char *value)
{
    guint64 payload_type = 0;
    const char *rest = NULL;
    if (!parse_number(value, 127, &payload_type, &rest) || !is_line(rest))
        return;
    EgSdpCodec *codec = find_codec(media, payload_type);
    if (codec != NULL && codec->parameters == NULL)
        codec->parameters = g_strdup(rest);
}

/* "96 nack pli" */
static void parse_feedback(EgSdpMedia *media, const char *value)
{
    guint64 payload_type = 0;
    const char *rest = NULL;
    if (!parse_number(value, 127, &payload_type, &rest))
        return;
    EgSdpCodec *codec = find_codec(media, payload_type);
    if (codec == NULL)
        return;
    codec->has_nack |= strcmp(rest, "nack") == 0;
    codec->has_pli |= strcmp(rest, "nack pli") == 0;
    codec->has_fir |= strcmp(rest, "ccm fir") == 0;
}

/* "FID 1111 2222": the second is the first one's retransmission (RFC 5576, 4.2) */
static void parse_ssrc_group(EgSdpMedia *media, const char *value)
{
    guint64 primary = 0;
    guint64 repair = 0;
    const char *rest = NULL;
    if (!g_str_has_prefix(value, "FID ") || media->rtx_ssrc != 0)
        return;
    if (!parse_number(value + 4, G_MAXUINT32, &primary, &rest) ||
        !parse_number(rest, G_MAXUINT32, &repair, &rest) || primary == repair)
        return;
    media->ssrc = (guint32)primary;
    media->rtx_ssrc = (guint32)repair;
}

static void parse_ssrc(EgSdpMedia *media, const char *value)
{
    guint64 ssrc = 0;
    const char *rest = NULL;
    if (media->ssrc == 0 && parse_number(value, G_MAXUINT32, &ssrc, &rest))
        media->ssrc = (guint32)ssrc;
}

/* "PA_xxx|TR_yyy TR_yyy" */
static void parse_msid(EgSdpMedia *media, const char *value)
{
    const char *space = strchr(value, ' ');
    if (space != NULL)
        set_once(&media->track_sid, space + 1);
}

static void parse_direction(EgSdpMedia *media, const char *name)
{
    if (strcmp(name, "recvonly") == 0 || strcmp(name, "inactive") == 0)
        media->is_sending = false;
}

static void parse_fingerprint(EgSdpOffer *offer, const char *value)
{
    if (g_ascii_strncasecmp(value, "sha-256 ", 8) == 0)
        set_once(&offer->fingerprint_sha256, value + 8);
}

static void parse_media_attribute(EgSdpMedia *media, const char *name, const char *value)
{
    static const struct {
        const char *name;
        void (*parse)(EgSdpMedia *media, const char *value);
    } attributes[] = {
        {"rtpmap",     parse_rtpmap    },
        {"fmtp",       parse_fmtp      },
        {"rtcp-fb",    parse_feedback  },
        {"ssrc-group", parse_ssrc_group},
        {"ssrc",       parse_ssrc      },
        {"msid",       parse_msid      },
    };
    if (value == NULL) {
        parse_direction(media, name);
        return;
    }
    if (strcmp(name, "mid") == 0)
        set_once(&media->mid, value);
    for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++)
        if (strcmp(name, attributes[i].name) == 0)
            attributes[i].parse(media, value);
}

/* a=name or a=name:value. Everything is bundled, so the transport's attributes are taken from
 * wherever they come first, and a rejected m-line's count for nothing. */
static void parse_attribute(Parser *parser, char *line)
{
    EgSdpOffer *offer = parser->offer;
    if (parser->media == NULL || !parser->media->is_rejected) {
        if (g_str_has_prefix(line, "ice-ufrag:"))
            set_once(&offer->ufrag, line + strlen("ice-ufrag:"));
        else if (g_str_has_prefix(line, "ice-pwd:"))
            set_once(&offer->password, line + strlen("ice-pwd:"));
        else if (g_str_has_prefix(line, "fingerprint:"))
            parse_fingerprint(offer, line + strlen("fingerprint:"));
        else if (g_str_has_prefix(line, "candidate:") && offer->candidates->len < MAX_CANDIDATES &&
                 !g_ptr_array_find_with_equal_func(offer->candidates, line, g_str_equal, NULL))
            g_ptr_array_add(offer->candidates, g_strdup(line));
    }
    if (parser->media == NULL)
        return;
    char *colon = strchr(line, ':');
    if (colon != NULL)
        *colon = '\0';
    parse_media_attribute(parser->media, line, colon != NULL ? colon + 1 : NULL);
}

static bool parse_line(Parser *parser, char *line, GError **error)
{
    if (g_str_has_prefix(line, "m="))
        return parse_media_line(parser, line + 2, error);
    if (g_str_has_prefix(line, "a="))
        parse_attribute(parser, line + 2);
    return true;
}

/* The value of `name` in "a=1;b=2", -1 if it is not there or no number. */
static gint64 get_parameter(const EgSdpCodec *codec, const char *name)
{
    if (codec->parameters == NULL)
        return -1;
    g_auto(GStrv) pairs = g_strsplit(codec->parameters, ";", 32);
    for (gsize i = 0; pairs[i] != NULL; i++) {
        const char *pair = g_strstrip(pairs[i]);
        guint64 value = 0;
        const char *rest = NULL;
        if (g_str_has_prefix(pair, name) && pair[strlen(name)] == '=' &&
            parse_number(pair + strlen(name) + 1, G_MAXINT32, &value, &rest))
            return (gint64)value;
    }
    return -1;
}

/* Which of our codecs this is. H264 in interleaved mode (RFC 6184, 6.4) and VP9 with more than 8
 * bits are not ours. */
static EgCodec identify_codec(const EgSdpMedia *media, const EgSdpCodec *codec)
{
    if (codec->encoding == NULL)
        return EG_CODEC_NONE;
    g_auto(GStrv) parts = g_strsplit(codec->encoding, "/", 3);
    if (parts[0] == NULL || parts[1] == NULL)
        return EG_CODEC_NONE;
    g_autofree char *mime = g_strdup_printf("%s/%s", eg_media_name(media->media), parts[0]);
    const EgCodec found = eg_codec_from_mime(mime);
    guint64 rate_hz = 0;
    const char *rest = NULL;
    if (found == EG_CODEC_NONE || !parse_number(parts[1], G_MAXUINT32, &rate_hz, &rest) ||
        rate_hz != eg_codec_info(found)->clock_rate_hz)
        return EG_CODEC_NONE;
    /* What stands for one of ours elsewhere (audio/red for the Opus inside) is not it here. */
    if (g_ascii_strcasecmp(mime, eg_codec_info(found)->mime) != 0)
        return EG_CODEC_NONE;
    if (found == EG_CODEC_H264 && get_parameter(codec, "packetization-mode") > 1)
        return EG_CODEC_NONE;
    if (found == EG_CODEC_VP9 && get_parameter(codec, "profile-id") > 1)
        return EG_CODEC_NONE;
    return found;
}

static void identify_codecs(EgSdpMedia *media)
{
    for (guint i = 0; i < media->codecs->len; i++) {
        EgSdpCodec *codec = &g_array_index(media->codecs, EgSdpCodec, i);
        codec->codec = identify_codec(media, codec);
    }
    for (guint i = 0; i < media->codecs->len; i++) {
        const EgSdpCodec *rtx = &g_array_index(media->codecs, EgSdpCodec, i);
        if (rtx->encoding == NULL || g_ascii_strncasecmp(rtx->encoding, "rtx/", 4) != 0)
            continue;
        const gint64 apt = get_parameter(rtx, "apt");
        EgSdpCodec *original = apt >= 0 ? find_codec(media, (guint64)apt) : NULL;
        if (original != NULL && original->codec != EG_CODEC_NONE)
            original->rtx_payload_type = rtx->payload_type;
    }
}

static bool check_offer(const EgSdpOffer *offer, GError **error)
{
    if (offer->media->len == 0 || offer->ufrag == NULL || offer->password == NULL ||
        offer->fingerprint_sha256 == NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "the offer lacks media, ICE credentials or a SHA-256 fingerprint");
        return false;
    }
    for (guint i = 0; i < offer->media->len; i++) {
        const EgSdpMedia *media = g_ptr_array_index(offer->media, i);
        if (media->mid == NULL && !media->is_rejected) {
            eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                         "the offer has an m-line without mid");
            return false;
        }
    }
    return true;
}

static bool parse_lines(EgSdpOffer *offer, const char *text, GError **error)
{
    Parser parser = {.offer = offer};
    g_autofree char *copy = g_strdup(text);
    char *next = copy;
    while (next != NULL) {
        char *line = strsep(&next, "\n");
        g_strchomp(line);
        if (!parse_line(&parser, line, error))
            return false;
    }
    return check_offer(offer, error);
}

EgSdpOffer *eg_sdp_offer_parse(const char *text, GError **error)
{
    if (strlen(text) > MAX_TEXT_BYTES || !g_utf8_validate(text, -1, NULL)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "the offer is too long or no text");
        return NULL;
    }
    EgSdpOffer *offer = g_new0(EgSdpOffer, 1);
    offer->candidates = g_ptr_array_new_with_free_func(g_free);
    offer->media = g_ptr_array_new_with_free_func(free_media);
    if (!parse_lines(offer, text, error)) {
        eg_sdp_offer_free(offer);
        return NULL;
    }
    for (guint i = 0; i < offer->media->len; i++)
        identify_codecs(g_ptr_array_index(offer->media, i));
    return offer;
}
