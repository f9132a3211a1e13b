#include "media/sink-fixture.h"

void sink_fixture_set_up(SinkFixture *fixture)
{
    fixture->loop = eg_loop_new();
    fixture->folder = fixture_make_folder();
}

void sink_fixture_tear_down(SinkFixture *fixture)
{
    eg_sink_free(fixture->sink);
    for (guint media = 0; media < EG_N_MEDIA; media++)
        g_clear_pointer(&fixture->samples[media], g_ptr_array_unref);
    fixture_remove_folder(fixture->folder);
    g_clear_error(&fixture->error);
    g_free(fixture->folder);
    eg_loop_free(fixture->loop);
}

void sink_fixture_on_drained(gpointer user)
{
    SinkFixture *fixture = user;
    g_assert_false(fixture->has_ended);
    fixture->has_ended = true;
}

void sink_fixture_on_failed(gpointer user, const GError *error)
{
    SinkFixture *fixture = user;
    sink_fixture_on_drained(user);
    fixture->error = g_error_copy(error);
}

const EgSinkEvents sink_fixture_events = {.drained = sink_fixture_on_drained,
                                          .failed = sink_fixture_on_failed};

GstCaps *sink_fixture_caps(const SinkFixture *fixture, EgMedia media)
{
    const GPtrArray *samples = fixture->samples[media];
    return samples != NULL ? gst_sample_get_caps(g_ptr_array_index(samples, 0)) : NULL;
}

void sink_fixture_drain(SinkFixture *fixture)
{
    eg_sink_drain(fixture->sink);
    fixture_run_until(fixture->loop, &fixture->has_ended);
}
