#pragma once

#include "base/loop.h"

/* Whether another process still answers: it is asked again and again, and whatever it says is an
 * answer. However long this process itself does not run, that counts as one question without an
 * answer, so that nobody else is blamed for it. Loop's thread only; callbacks come from the loop,
 * and the pulse may be freed in them. */
typedef struct _EgPulse EgPulse;

typedef struct {
    void (*ask)(gpointer user);
    /* It has said nothing for `silence_ns`. The last event. */
    void (*silent)(gpointer user);
} EgPulseEvents;

EgPulse *eg_pulse_new(EgLoop *loop, gint64 silence_ns, const EgPulseEvents *events, gpointer user);
void eg_pulse_free(EgPulse *pulse);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPulse, eg_pulse_free)

/* It has said something. */
void eg_pulse_heard(EgPulse *pulse);

/* Nothing is asked or told any more. */
void eg_pulse_stop(EgPulse *pulse);
