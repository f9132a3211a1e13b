#pragma once

#include "media/fixture.h"
#include "sink/sink.h"

/* A sink at work, and how it ends: what the tests of sinks have at the beginning of what they pass
 * as user. */
typedef struct {
    EgLoop *loop;
    EgSink *sink;
    char *folder;                   /* of its files */
    GPtrArray *samples[EG_N_MEDIA]; /* GstSample; NULL: none of this kind */
    bool has_ended;
    GError *error; /* of `failed` */
} SinkFixture;

void sink_fixture_set_up(SinkFixture *fixture);
void sink_fixture_tear_down(SinkFixture *fixture);

/* Either comes once. */
void sink_fixture_on_drained(gpointer user);
void sink_fixture_on_failed(gpointer user, const GError *error);
extern const EgSinkEvents sink_fixture_events;

/* NULL: none of this kind. */
GstCaps *sink_fixture_caps(const SinkFixture *fixture, EgMedia media);

/* Until it has ended. */
void sink_fixture_drain(SinkFixture *fixture);
