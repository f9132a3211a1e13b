#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "base/loop.h"
#include "request/codec.h"
#include "room/packet.h"

/* What the tests of media and sinks share: material made by GStreamer's test sources, and a reader
 * of finished files that knows nothing of our own code. */

/* Runs `pipeline` (gst-launch notation, ended by "appsink name=out") to its end; GstSample. */
GPtrArray *fixture_samples(const char *pipeline);

/* The RTP packets that `pipeline` (up to a payloader, without the sink) makes: EgPacket, numbered
 * from `first_sequence`. */
GPtrArray *fixture_packets(const char *pipeline, guint64 first_sequence);

/* A packet of these bytes, header included. */
EgPacket *fixture_packet(const guint8 *data, gsize size_bytes, guint64 sequence);

/* The instant of a packet of `packets`, by its RTP timestamp. */
gint64 fixture_instant_ns(const GPtrArray *packets, const EgPacket *packet, guint clock_rate_hz);

/* Runs the loop until `*flag` is true; aborts after a minute without that. */
void fixture_run_until(EgLoop *loop, const bool *flag);

typedef struct {
    gint64 pts_ns;
    guint width;
    guint height;
    bool is_key;
    double luma;  /* mean of the whole picture, 0..255 */
    guint8 *gray; /* width * height */
} FixturePicture;

/* A decoded file. */
typedef struct {
    char *format;          /* "mov,mp4,..." */
    double duration_s;     /* as the file says */
    GArray *pictures;      /* FixturePicture */
    char *video_codec;     /* "h264", NULL: no video */
    char *audio_codec;     /* NULL: no audio */
    guint rate_hz;         /* of the sound */
    gint64 sound_start_ns; /* of the first sample */
    GArray *sound;         /* float, mono */
    double largest_hole_s; /* between the times of blocks of sound */
    guint errors;          /* packets that could not be decoded */
} FixtureMedia;

/* Reads as far as it goes; NULL if the file cannot be opened. */
FixtureMedia *fixture_decode(const char *path);
void fixture_media_free(FixtureMedia *media);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FixtureMedia, fixture_media_free)

/* The time of the first picture brighter than `luma`, and of the first sample louder than `level`;
 * -1 s if there is none. */
double fixture_flash_s(const FixtureMedia *media, double luma);
double fixture_beep_s(const FixtureMedia *media, double level);

/* An empty folder for this test's files, which is removed with all that is in it. */
char *fixture_make_folder(void);
void fixture_remove_folder(const char *path);

/* The files in it that have `part` in their names. */
guint fixture_count_files(const char *folder, const char *part);
