#pragma once

#include "base/loop.h"

/* Signals as events of a loop: unlike GLib's, also SIGQUIT. One at a time per program. */
typedef struct _EgSignals EgSignals;

/* `numbers` ends with 0. `received` comes from the loop, once or more for what came meanwhile. */
EgSignals *eg_signals_new(EgLoop *loop, const int *numbers,
                          void (*received)(gpointer user, int number), gpointer user,
                          GError **error);

/* From now on they do what they do by default. */
void eg_signals_free(EgSignals *signals);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSignals, eg_signals_free)
