#pragma once

#include "request/filename.h"
#include "source/source.h"

/* What is being recorded, in words: for the progress line and for file names. */
typedef struct _EgDescription EgDescription;

EgDescription *eg_description_new(void);
void eg_description_free(EgDescription *description);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgDescription, eg_description_free)

void eg_description_set_facts(EgDescription *description, const EgSourceFacts *facts);
void eg_description_add(EgDescription *description, const EgPublication *publication);
void eg_description_remove(EgDescription *description, const EgPublication *publication);

/* What names a file; the strings belong to the description. Time and retries are not its matter. */
void eg_description_get_facts(const EgDescription *description, EgFilenameFacts *facts);

/* "alice: camera H264 1280x720, microphone Opus"; "" before anything is known. Valid until the
 * next call. */
const char *eg_description_text(EgDescription *description);
