#include <string.h>

#include "base/time.h"
#include "media/depacketizer.h"
#include "media/fixture.h"

#define PICTURES    40
#define KEY_EVERY   10
#define VIDEO_CLOCK 90000

typedef struct {
    EgDepacketizer *depacketizer;
    GPtrArray *frames; /* GstBuffer */
    GPtrArray *caps;   /* one for each time they were told */
    bool wants_key_frame;
    guint wishes; /* times that it became true */
} Receiver;

static void on_caps(gpointer user, GstCaps *caps)
{
    g_ptr_array_add(((Receiver *)user)->caps, gst_caps_ref(caps));
}

static void on_frame(gpointer user, GstBuffer *frame)
{
    Receiver *receiver = user;
    g_assert_cmpuint(receiver->caps->len, >, 0);
    g_ptr_array_add(receiver->frames, frame);
}

static void on_wants_key_frame(gpointer user, bool wants)
{
    Receiver *receiver = user;
    g_assert_true(wants != receiver->wants_key_frame);
    receiver->wants_key_frame = wants;
    receiver->wishes += wants ? 1 : 0;
}

static void on_failed(gpointer user, const GError *error)
{
    (void)user;
    g_error("%s", error->message);
}

static Receiver *receiver_new(EgCodec codec)
{
    static const EgDepacketizerEvents events = {
        .caps = on_caps,
        .frame = on_frame,
        .wants_key_frame = on_wants_key_frame,
        .failed = on_failed,
    };
    Receiver *receiver = g_new0(Receiver, 1);
    receiver->frames = g_ptr_array_new_with_free_func((GDestroyNotify)gst_buffer_unref);
    receiver->caps = g_ptr_array_new_with_free_func((GDestroyNotify)gst_caps_unref);
    g_autoptr(GError) error = NULL;
    receiver->depacketizer = eg_depacketizer_new(codec, &events, receiver, &error);
    g_assert_no_error(error);
    return receiver;
}

static void receiver_free(Receiver *receiver)
{
    eg_depacketizer_free(receiver->depacketizer);
    g_ptr_array_unref(receiver->frames);
    g_ptr_array_unref(receiver->caps);
    g_free(receiver);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Receiver, receiver_free)

static GstBuffer *frame_at(const Receiver *receiver, guint i)
{
    g_assert_cmpuint(i, <, receiver->frames->len);
    return g_ptr_array_index(receiver->frames, i);
}

static bool is_key(const Receiver *receiver, guint i)
{
    return !GST_BUFFER_FLAG_IS_SET(frame_at(receiver, i), GST_BUFFER_FLAG_DELTA_UNIT);
}

static guint64 dropped(const Receiver *receiver)
{
    EgDepacketizerStats stats;
    eg_depacketizer_get_stats(receiver->depacketizer, &stats);
    g_assert_cmpuint(stats.frames, ==, receiver->frames->len);
    return stats.dropped;
}

static int caps_int(const Receiver *receiver, guint i, const char *field)
{
    int value = -1;
    g_assert_cmpuint(i, <, receiver->caps->len);
    const GstCaps *caps = g_ptr_array_index(receiver->caps, i);
    gst_structure_get_int(gst_caps_get_structure(caps, 0), field, &value);
    return value;
}

typedef struct {
    EgCodec codec;
    const char *coder;
} VideoCase;

static const VideoCase video_cases[] = {
    {EG_CODEC_VP8,  "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=10 target-bitrate=800000 ! "
                   "rtpvp8pay mtu=400 picture-id-mode=15-bit"},
    {EG_CODEC_VP9,  "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=10 target-bitrate=800000 ! "
                   "rtpvp9pay mtu=400 picture-id-mode=15-bit"},
    {EG_CODEC_H264,
     "x264enc tune=zerolatency bitrate=800 key-int-max=10 option-string=scenecut=0 ! "
     "rtph264pay mtu=400 aggregate-mode=zero-latency"                          },
};

static GPtrArray *make_video(const VideoCase *test, guint pictures, guint width, guint height,
                             guint64 first_sequence)
{
    g_autofree char *pipeline = g_strdup_printf(
        "videotestsrc pattern=zone-plate kx2=20 ky2=20 kt=3 num-buffers=%u ! "
        "video/x-raw,format=I420,width=%u,height=%u,framerate=30/1 ! %s timestamp-offset=1000",
        pictures, width, height, test->coder);
    return fixture_packets(pipeline, first_sequence);
}

static EgPacket *packet_at(const GPtrArray *packets, guint i)
{
    g_assert_cmpuint(i, <, packets->len);
    return g_ptr_array_index(packets, i);
}

/* The number of the frame that the i-th packet belongs to. */
static guint frame_of(const GPtrArray *packets, guint i)
{
    guint frame = 0;
    for (guint k = 0; k < i; k++)
        frame += packet_at(packets, k)->marker ? 1 : 0;
    return frame;
}

/* The first packet of that frame. */
static guint packet_of(const GPtrArray *packets, guint frame)
{
    guint i = 0;
    while (frame_of(packets, i) < frame)
        i++;
    return i;
}

static void push(Receiver *receiver, const GPtrArray *packets, guint i)
{
    EgPacket *packet = packet_at(packets, i);
    eg_depacketizer_push(receiver->depacketizer, packet,
                         fixture_instant_ns(packets, packet, VIDEO_CLOCK));
}

static void push_but(Receiver *receiver, const GPtrArray *packets, guint lost)
{
    for (guint i = 0; i < packets->len; i++) {
        if (i != lost)
            push(receiver, packets, i);
    }
}

static void test_video(gconstpointer data)
{
    const VideoCase *test = data;
    /* The 16 bits of the sequence numbers wrap in between. */
    g_autoptr(GPtrArray) packets = make_video(test, PICTURES, 320, 240, 65536 - 20);
    g_autoptr(Receiver) receiver = receiver_new(test->codec);
    g_assert_cmpuint(packets->len, >, PICTURES + 20);
    push_but(receiver, packets, G_MAXUINT);

    g_assert_cmpuint(receiver->frames->len, ==, PICTURES);
    g_assert_cmpuint(dropped(receiver), ==, 0);
    g_assert_false(receiver->wants_key_frame);
    g_assert_cmpuint(receiver->caps->len, ==, 1);
    g_assert_cmpint(caps_int(receiver, 0, "width"), ==, 320);
    g_assert_cmpint(caps_int(receiver, 0, "height"), ==, 240);
    for (guint i = 0; i < PICTURES; i++) {
        GstBuffer *frame = frame_at(receiver, i);
        g_assert_cmpint(is_key(receiver, i), ==, i % KEY_EVERY == 0);
        g_assert_false(GST_BUFFER_FLAG_IS_SET(frame, GST_BUFFER_FLAG_DISCONT));
        g_assert_cmpint(labs((long)GST_BUFFER_PTS(frame) - (long)(i * GST_SECOND / 30)), <, 12000);
    }
}

static void test_wish(gconstpointer data)
{
    const VideoCase *test = data;
    g_autoptr(GPtrArray) packets = make_video(test, PICTURES, 320, 240, 1);
    g_autoptr(Receiver) receiver = receiver_new(test->codec);
    /* Joined in the middle. */
    guint first = packet_of(packets, 3);
    for (guint i = first; i < packets->len; i++) {
        push(receiver, packets, i);
        if (i == first)
            g_assert_true(receiver->wants_key_frame);
    }
    g_assert_false(receiver->wants_key_frame);
    g_assert_cmpuint(receiver->wishes, ==, 1);
    g_assert_cmpuint(receiver->frames->len, ==, PICTURES - KEY_EVERY);
    g_assert_cmpuint(dropped(receiver), ==, KEY_EVERY - 3);
    g_assert_true(is_key(receiver, 0));
    g_assert_false(GST_BUFFER_FLAG_IS_SET(frame_at(receiver, 0), GST_BUFFER_FLAG_DISCONT));
}

/* Whichever packet of a frame is lost, that frame and those up to the next key frame are dropped,
 * and nothing else. */
static void test_loss(gconstpointer data)
{
    const VideoCase *test = data;
    g_autoptr(GPtrArray) packets = make_video(test, PICTURES, 320, 240, 1);
    guint from = packet_of(packets, KEY_EVERY);
    guint to = packet_of(packets, KEY_EVERY + 3);
    for (guint lost = from; lost < to; lost++) {
        g_autoptr(Receiver) receiver = receiver_new(test->codec);
        push_but(receiver, packets, lost);
        guint frame = frame_of(packets, lost);
        g_assert_cmpuint(receiver->frames->len, ==, PICTURES - 2 * KEY_EVERY + frame);
        g_assert_true(is_key(receiver, frame));
        g_assert_cmpuint(GST_BUFFER_PTS(frame_at(receiver, frame)), >, 660 * GST_MSECOND);
        for (guint i = 0; i < receiver->frames->len; i++)
            g_assert_cmpint(GST_BUFFER_FLAG_IS_SET(frame_at(receiver, i), GST_BUFFER_FLAG_DISCONT),
                            ==, i == frame);
        g_assert_cmpuint(receiver->wishes, ==, 2);
        g_assert_false(receiver->wants_key_frame);
        g_assert_cmpuint(dropped(receiver), >=, 2 * KEY_EVERY - frame - 1);
    }
}

/* Padding between frames has numbers of its own, and a packet that comes twice is one. */
static void test_padding(gconstpointer data)
{
    const VideoCase *test = data;
    g_autoptr(GPtrArray) packets = make_video(test, PICTURES, 320, 240, 0);
    g_autoptr(Receiver) receiver = receiver_new(test->codec);
    guint64 sequence = 0;
    for (guint i = 0; i < packets->len; i++) {
        const EgPacket *original = packet_at(packets, i);
        gint64 instant_ns = fixture_instant_ns(packets, original, VIDEO_CLOCK);
        g_autoptr(EgPacket) packet =
            fixture_packet(original->data, original->size_bytes, sequence++);
        eg_depacketizer_push(receiver->depacketizer, packet, instant_ns);
        eg_depacketizer_push(receiver->depacketizer, packet, instant_ns);
        if (!original->marker)
            continue;
        g_autoptr(EgPacket) padding = fixture_packet(original->data, 12, sequence++);
        eg_depacketizer_push(receiver->depacketizer, padding, instant_ns);
    }
    g_assert_cmpuint(receiver->frames->len, ==, PICTURES);
    g_assert_cmpuint(dropped(receiver), ==, 0);
}

/* Simulcast: the size changes with a key frame, everything else goes on. */
static void test_size_change(gconstpointer data)
{
    const VideoCase *test = data;
    g_autoptr(GPtrArray) small = make_video(test, 10, 320, 180, 1);
    g_autoptr(GPtrArray) large = make_video(test, 10, 640, 360, 1 + small->len);
    g_autoptr(Receiver) receiver = receiver_new(test->codec);
    push_but(receiver, small, G_MAXUINT);
    push_but(receiver, large, G_MAXUINT);
    g_assert_cmpuint(receiver->frames->len, ==, 20);
    g_assert_cmpuint(receiver->caps->len, ==, 2);
    g_assert_cmpint(caps_int(receiver, 0, "width"), ==, 320);
    g_assert_cmpint(caps_int(receiver, 1, "width"), ==, 640);
    g_assert_cmpint(caps_int(receiver, 1, "height"), ==, 360);
    g_assert_cmpuint(receiver->wishes, ==, 1);
}

/* A frame whose end is only known by the next one's time stamp is a frame, too. */
static void test_no_marker(gconstpointer data)
{
    const VideoCase *test = data;
    g_autoptr(GPtrArray) packets = make_video(test, PICTURES, 320, 240, 1);
    g_autoptr(Receiver) receiver = receiver_new(test->codec);
    for (guint i = 0; i < packets->len; i++) {
        const EgPacket *original = packet_at(packets, i);
        g_autofree guint8 *bytes = g_memdup2(original->data, original->size_bytes);
        bytes[1] &= 0x7f;
        g_autoptr(EgPacket) packet =
            fixture_packet(bytes, original->size_bytes, original->sequence);
        eg_depacketizer_push(receiver->depacketizer, packet,
                             fixture_instant_ns(packets, original, VIDEO_CLOCK));
    }
    g_assert_cmpuint(receiver->frames->len, ==, PICTURES - 1);
    g_assert_cmpuint(dropped(receiver), ==, 0);
}

static EgPacket *make_packet(const guint8 *payload, gsize size, guint64 sequence, guint32 timestamp,
                             bool marker)
{
    g_autofree guint8 *bytes = g_malloc0(12 + size);
    bytes[0] = 0x80;
    bytes[1] = (guint8)(96 | (marker ? 0x80 : 0));
    GST_WRITE_UINT32_BE(bytes + 4, timestamp);
    memcpy(bytes + 12, payload, size);
    return fixture_packet(bytes, 12 + size, sequence);
}

/* The server's last frames of a track: 8x8 and 2x2 pictures. */
static void test_blank(gconstpointer data)
{
    static const guint8 vp8[] = {0x90, 0x80, 0x80, 0x01, 0x10, 0x02, 0x00, 0x9d, 0x01,
                                 0x2a, 0x08, 0x00, 0x08, 0x00, 0x00, 0x47, 0x08, 0x85,
                                 0x85, 0x88, 0x85, 0x84, 0x88, 0x02, 0x02, 0x02, 0x75,
                                 0xba, 0x03, 0xf8, 0x03, 0xfa, 0x02, 0xd4, 0x0d, 0x00};
    static const guint8 h264[] = {0x18, 0x00, 0x18, 0x67, 0x42, 0xc0, 0x1f, 0x0f, 0xd9, 0x1f,
                                  0x88, 0x88, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00,
                                  0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc9, 0x20, 0x00, 0x06, 0x68,
                                  0x87, 0xcb, 0x83, 0xcb, 0x20, 0x00, 0x0a, 0x65, 0x88, 0x84,
                                  0x0a, 0xf2, 0x62, 0x80, 0x00, 0xa7, 0xbe};
    const VideoCase *test = data;
    if (test->codec == EG_CODEC_VP9)
        return; /* the server has none */
    g_autoptr(GPtrArray) packets = make_video(test, 10, 320, 240, 1);
    g_autoptr(Receiver) receiver = receiver_new(test->codec);
    push_but(receiver, packets, G_MAXUINT);
    for (guint i = 0; i < 6; i++) {
        g_autoptr(EgPacket) packet =
            test->codec == EG_CODEC_VP8
                ? make_packet(vp8, sizeof vp8, packets->len + 1 + i, 900000 + 3000 * i, true)
                : make_packet(h264, sizeof h264, packets->len + 1 + i, 900000 + 3000 * i, true);
        eg_depacketizer_push(receiver->depacketizer, packet, (10 + i) * EG_NS_PER_S);
    }
    g_assert_cmpuint(receiver->frames->len, ==, 10);
    g_assert_cmpuint(receiver->caps->len, ==, 1);
    g_assert_cmpuint(dropped(receiver), ==, 6);
    /* A publisher that goes on is seen again. */
    g_autoptr(GPtrArray) more = make_video(test, 10, 320, 240, packets->len + 7);
    push_but(receiver, more, G_MAXUINT);
    g_assert_cmpuint(receiver->frames->len, ==, 20);
}

typedef struct {
    EgCodec codec;
    const char *coder;
    guint clock_rate_hz;
    gint64 duration_ns;
    guint rate_hz;
} AudioCase;

static const AudioCase audio_cases[] = {
    {EG_CODEC_OPUS, "audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay",          48000,
     20 * EG_NS_PER_MS, 48000},
    {EG_CODEC_PCMU,
     "audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay ptime-multiple=20000000", 8000,
     20 * EG_NS_PER_MS, 8000 },
    {EG_CODEC_PCMA,
     "audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay ptime-multiple=20000000",  8000,
     20 * EG_NS_PER_MS, 8000 },
};

static void test_audio(gconstpointer data)
{
    const AudioCase *test = data;
    g_autofree char *pipeline =
        g_strdup_printf("audiotestsrc num-buffers=50 samplesperbuffer=%u ! audioconvert ! %s "
                        "timestamp-offset=7 min-ptime=20000000",
                        test->rate_hz / 50, test->coder);
    g_autoptr(GPtrArray) packets = fixture_packets(pipeline, 65530);
    g_assert_cmpuint(packets->len, >=, 50);
    g_autoptr(Receiver) receiver = receiver_new(test->codec);
    guint lost = 20;
    for (guint i = 0; i < packets->len; i++) {
        EgPacket *packet = packet_at(packets, i);
        if (i != lost)
            eg_depacketizer_push(receiver->depacketizer, packet,
                                 fixture_instant_ns(packets, packet, test->clock_rate_hz));
    }
    g_assert_cmpuint(receiver->frames->len, ==, packets->len - 1);
    g_assert_cmpuint(receiver->caps->len, ==, 1);
    g_assert_cmpuint(receiver->wishes, ==, 0);
    for (guint i = 0; i < receiver->frames->len; i++) {
        GstBuffer *frame = frame_at(receiver, i);
        gint64 duration_ns = (gint64)GST_BUFFER_DURATION(frame);
        g_assert_cmpint(duration_ns, ==, test->duration_ns);
        g_assert_cmpint(GST_BUFFER_FLAG_IS_SET(frame, GST_BUFFER_FLAG_DISCONT), ==, i == lost);
        g_assert_true(is_key(receiver, i));
    }
}

/* Nothing is sent while somebody is silent: a hole in time, none in the numbers. */
static void test_dtx(void)
{
    static const guint8 silence[] = {0xf8, 0xff, 0xfe};
    g_autoptr(Receiver) receiver = receiver_new(EG_CODEC_OPUS);
    for (guint i = 0; i < 5; i++) {
        g_autoptr(EgPacket) packet =
            make_packet(silence, sizeof silence, i, i * 48000 * 2 / 5, true);
        eg_depacketizer_push(receiver->depacketizer, packet, i * 400 * EG_NS_PER_MS);
    }
    g_assert_cmpuint(receiver->frames->len, ==, 5);
    for (guint i = 0; i < 5; i++) {
        GstBuffer *frame = frame_at(receiver, i);
        g_assert_false(GST_BUFFER_FLAG_IS_SET(frame, GST_BUFFER_FLAG_DISCONT));
        g_assert_cmpuint(GST_BUFFER_PTS(frame), ==, i * 400 * GST_MSECOND);
    }
}

/* Two spatial layers of a superframe, 160x90 and 320x180, as L2T1_KEY has them: the key frame of
 * the upper layer is predicted from the lower one. */
static void test_svc(void)
{
    g_autoptr(Receiver) receiver = receiver_new(EG_CODEC_VP9);
    /* I L B E V, picture 1, layer 0, and the sizes of both. */
    static const guint8 lower[] = {0xae, 0x01, 0x00, 0x00, 0x30, 0x00, 0xa0, 0x00, 0x5a, 0x01,
                                   0x40, 0x00, 0xb4, 0x82, 0x49, 0x83, 0x42, 0x00, 0x00, 0x00};
    /* I L B E, layer 1, which needs layer 0. */
    static const guint8 upper[] = {0xac, 0x01, 0x03, 0x00, 0x86, 0x01, 0x02, 0x03, 0x04};
    /* The next picture, which the server has cut down to the lower layer: I P L B E. */
    static const guint8 next[] = {0xec, 0x02, 0x00, 0x00, 0x86, 0x05};
    g_autoptr(EgPacket) first = make_packet(lower, sizeof lower, 1, 3000, false);
    g_autoptr(EgPacket) second = make_packet(upper, sizeof upper, 2, 3000, true);
    g_autoptr(EgPacket) third = make_packet(next, sizeof next, 3, 6000, true);
    eg_depacketizer_push(receiver->depacketizer, first, 0);
    g_assert_cmpuint(receiver->frames->len, ==, 0);
    eg_depacketizer_push(receiver->depacketizer, second, 0);
    eg_depacketizer_push(receiver->depacketizer, third, 1);

    g_assert_cmpuint(receiver->frames->len, ==, 2);
    g_assert_cmpint(caps_int(receiver, 0, "width"), ==, 320);
    g_assert_cmpint(caps_int(receiver, 0, "height"), ==, 180);
    g_assert_true(is_key(receiver, 0));
    g_assert_false(is_key(receiver, 1));
    /* The lower one is not shown. */
    static const guint8 whole[] = {0x80, 0x49, 0x83, 0x42, 0x00, 0x00, 0x00, 0x86,
                                   0x01, 0x02, 0x03, 0x04, 0xd9, 7,    0,    0,
                                   0,    5,    0,    0,    0,    0xd9};
    g_assert_cmpuint(gst_buffer_get_size(frame_at(receiver, 0)), ==, sizeof whole);
    g_assert_cmpint(gst_buffer_memcmp(frame_at(receiver, 0), 0, whole, sizeof whole), ==, 0);
    g_assert_cmpuint(gst_buffer_get_size(frame_at(receiver, 1)), ==, 2);
}

static void ignore_failure(gpointer user, const GError *error)
{
    (void)error;
    *(bool *)user = true;
}

static void ignore_caps(gpointer user, GstCaps *caps)
{
    (void)user;
    (void)caps;
}

static void ignore_frame(gpointer user, GstBuffer *frame)
{
    (void)user;
    gst_buffer_unref(frame);
}

static void ignore_wish(gpointer user, bool wants)
{
    (void)user;
    (void)wants;
}

/* Real packets with bytes changed, cut short, lost, repeated: no crash, and what is sound after
 * it is received again. */
static void fuzz(EgCodec codec, const GPtrArray *packets, guint rounds)
{
    static const EgDepacketizerEvents events = {
        .caps = ignore_caps,
        .frame = ignore_frame,
        .wants_key_frame = ignore_wish,
        .failed = ignore_failure,
    };
    bool has_failed = false;
    EgDepacketizer *depacketizer = eg_depacketizer_new(codec, &events, &has_failed, NULL);
    guint64 sequence = 0;
    for (guint round = 0; round < rounds; round++) {
        const EgPacket *original =
            packet_at(packets, (guint)g_test_rand_int_range(0, (gint32)packets->len));
        g_autofree guint8 *bytes = g_memdup2(original->data, original->size_bytes);
        gsize size = original->size_bytes;
        if (g_test_rand_int_range(0, 4) == 0)
            size = (gsize)g_test_rand_int_range(12, (gint32)MIN(size, 40) + 1);
        for (int i = g_test_rand_int_range(0, 4); i > 0 && size > 12; i--) {
            /* Mostly headers. */
            gint32 end = (gint32)(g_test_rand_bit() ? MIN(size, 24) : size);
            bytes[g_test_rand_int_range(12, end)] = (guint8)g_test_rand_int_range(0, 256);
        }
        bytes[1] = (guint8)((bytes[1] & 0x7f) | (g_test_rand_bit() ? 0x80 : 0));
        GST_WRITE_UINT32_BE(bytes + 4, (guint32)(round / 3));
        sequence += g_test_rand_int_range(0, 10) == 0 ? 2 : 1;
        g_autoptr(EgPacket) packet = fixture_packet(bytes, size, sequence);
        eg_depacketizer_push(depacketizer, packet, round);
    }
    EgDepacketizerStats before;
    EgDepacketizerStats after;
    eg_depacketizer_get_stats(depacketizer, &before);
    for (guint i = 0; i < packets->len && !has_failed; i++) {
        const EgPacket *original = packet_at(packets, i);
        g_autoptr(EgPacket) packet =
            fixture_packet(original->data, original->size_bytes, sequence + 2 + i);
        eg_depacketizer_push(depacketizer, packet, rounds + i);
    }
    eg_depacketizer_get_stats(depacketizer, &after);
    g_assert_true(has_failed || after.frames >= before.frames + 10);
    eg_depacketizer_free(depacketizer);
}

static void test_fuzz_video(gconstpointer data)
{
    const VideoCase *test = data;
    g_autoptr(GPtrArray) packets = make_video(test, PICTURES, 320, 240, 1);
    for (guint i = 0; i < 20; i++)
        fuzz(test->codec, packets, 400);
}

static void test_fuzz_audio(gconstpointer data)
{
    const AudioCase *test = data;
    g_autofree char *pipeline =
        g_strdup_printf("audiotestsrc num-buffers=50 samplesperbuffer=%u ! audioconvert ! %s",
                        test->rate_hz / 50, test->coder);
    g_autoptr(GPtrArray) packets = fixture_packets(pipeline, 1);
    for (guint i = 0; i < 5; i++)
        fuzz(test->codec, packets, 400);
}

static void add_video_test(const VideoCase *test, const char *name, GTestDataFunc func)
{
    g_autofree char *path =
        g_strdup_printf("/depacketizer/%s/%s", eg_codec_info(test->codec)->name, name);
    g_test_add_data_func(path, test, func);
}

static void add_audio_test(const AudioCase *test, const char *name, GTestDataFunc func)
{
    g_autofree char *path =
        g_strdup_printf("/depacketizer/%s/%s", eg_codec_info(test->codec)->name, name);
    g_test_add_data_func(path, test, func);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(video_cases); i++) {
        add_video_test(&video_cases[i], "frames", test_video);
        add_video_test(&video_cases[i], "wish", test_wish);
        add_video_test(&video_cases[i], "loss", test_loss);
        add_video_test(&video_cases[i], "padding", test_padding);
        add_video_test(&video_cases[i], "size-change", test_size_change);
        add_video_test(&video_cases[i], "no-marker", test_no_marker);
        add_video_test(&video_cases[i], "blank", test_blank);
        add_video_test(&video_cases[i], "fuzz", test_fuzz_video);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(audio_cases); i++) {
        add_audio_test(&audio_cases[i], "frames", test_audio);
        add_audio_test(&audio_cases[i], "fuzz", test_fuzz_audio);
    }
    g_test_add_func("/depacketizer/Opus/dtx", test_dtx);
    g_test_add_func("/depacketizer/VP9/svc", test_svc);
    return g_test_run();
}
