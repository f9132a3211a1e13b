#pragma once

#include "media/pacer.h"

/* A pacer under test and everything that came out of it. Whatever a test does, it is checked that
 * pictures and blocks follow each other without gap or overlap, exactly on their grids. */

#define BENCH_ORIGIN_NS (1000 * G_GINT64_CONSTANT(1000000000))

typedef struct {
    gint64 tick;
    guint32 id; /* 0: black */
    gint64 duration_ns;
    gint64 made_ns; /* the time when it came out */
} BenchPicture;

typedef struct {
    EgPacer *pacer;
    EgPacerParams params;
    gint64 now_ns;
    gint64 wake_ns;      /* when the pacer wants to be run */
    gint64 busy_from_ns; /* meanwhile there is no room for pictures */
    gint64 busy_until_ns;
    bool keeps_sound;
    GArray *pictures;          /* BenchPicture */
    GArray *sound;             /* float, interleaved */
    gint64 frames;             /* of sound, altogether */
    gint64 last_block_ns;      /* when the last block came out */
    const guint8 *last_memory; /* of the last picture */
} Bench;

/* Zero rates: 30 fps, 48 kHz, blocks of 1024, 500 ms latency, 2 s hold; G_MAXUINT: none. Started.
 */
Bench *bench_new(const EgPacerParams *params);
Bench *bench_new_stopped(const EgPacerParams *params);
void bench_free(Bench *bench);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bench, bench_free)

/* Lets the time come, running the pacer whenever it asked for it. Instants are since the origin. */
void bench_advance(Bench *bench, gint64 since_ns);

/* Runs the pacer now. */
void bench_run(Bench *bench);

void bench_push_picture(Bench *bench, EgPacerInput *input, gint64 since_ns, guint32 id);
void bench_push_sound(Bench *bench, EgPacerInput *input, gint64 since_ns, const float *samples,
                      gsize frames);

/* What a tone is at a frame. */
float bench_tone(gint64 frame, guint rate_hz, double hz, float level);

/* Pushes a tone of an amplitude and frequency, continuous in phase over all instants. */
void bench_push_tone(Bench *bench, EgPacerInput *input, gint64 since_ns, gint64 first_frame,
                     gsize frames, double hz, float level);

const BenchPicture *bench_picture(const Bench *bench, guint index);
float bench_left(const Bench *bench, gint64 frame);
float bench_right(const Bench *bench, gint64 frame);
EgPacerStats bench_stats(const Bench *bench);
