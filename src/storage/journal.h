#pragma once

#include <glib.h>
#include <stdbool.h>

#include "spool.pb-c.h"

/* A file of records that is only ever appended to. Whatever instant the process or the machine dies
 * at, it can be read up to the last record that is whole. */
typedef struct _EgJournal EgJournal;

/* Reads what there is, `take` called for each (borrowed), cuts off what is broken at its end, and
 * goes on behind that. Makes the file (mode 0600) if there is none. One that cannot be read stays
 * as it is. */
EgJournal *eg_journal_open(const char *path,
                           void (*take)(gpointer user, const Egress__SpoolRecord *record),
                           gpointer user, GError **error);
void eg_journal_free(EgJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgJournal, eg_journal_free)

/* Any thread. What was written survives this process; synced, also a power cut. */
bool eg_journal_append(EgJournal *journal, const Egress__SpoolRecord *record, bool is_synced,
                       GError **error);

/* The same without a journal to write to; false: there is none, or it cannot be read. */
bool eg_journal_read(const char *path,
                     void (*take)(gpointer user, const Egress__SpoolRecord *record), gpointer user);
