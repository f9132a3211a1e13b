#include "service/pulse.h"

/* That were all not answered when it counts as silent. */
#define N_QUESTIONS 5

struct _EgPulse {
    EgPulseEvents events;
    gpointer user;
    gint64 interval_ns;
    EgTimer *timer;
    guint n_unanswered;
};

static void on_due(gpointer user)
{
    EgPulse *pulse = user;
    if (pulse->n_unanswered == N_QUESTIONS) {
        pulse->events.silent(pulse->user);
        return;
    }
    pulse->n_unanswered++;
    eg_timer_set_after(pulse->timer, pulse->interval_ns);
    pulse->events.ask(pulse->user);
}

EgPulse *eg_pulse_new(EgLoop *loop, gint64 silence_ns, const EgPulseEvents *events, gpointer user)
{
    EgPulse *pulse = g_new0(EgPulse, 1);
    pulse->events = *events;
    pulse->user = user;
    pulse->interval_ns = silence_ns / N_QUESTIONS;
    pulse->timer = eg_timer_new(loop, on_due, pulse);
    eg_timer_set_after(pulse->timer, pulse->interval_ns);
    return pulse;
}

void eg_pulse_free(EgPulse *pulse)
{
    if (pulse == NULL)
        return;
    eg_timer_free(pulse->timer);
    g_free(pulse);
}

void eg_pulse_heard(EgPulse *pulse)
{
    pulse->n_unanswered = 0;
}

void eg_pulse_stop(EgPulse *pulse)
{
    eg_timer_clear(pulse->timer);
}
