#include "cli/rest.h"

#include "session/resume.h"
#include "storage/spool.h"

typedef struct {
    EgRest *owner;
    char *folder;
    EgResume *resume;
} Entry;

struct _EgRest {
    GPtrArray *entries; /* Entry */
};

static void free_entry(gpointer data)
{
    Entry *entry = data;
    eg_resume_free(entry->resume);
    g_free(entry->folder);
    g_free(entry);
}

/* Nobody is told how it has ended: that was a command line's. */
static void on_ended(gpointer user, const Livekit__EgressInfo *info)
{
    Entry *entry = user;
    (void)info;
    g_clear_pointer(&entry->resume, eg_resume_free);
    eg_spool_remove_if_empty(entry->folder);
    g_ptr_array_remove(entry->owner->entries, entry);
}

/* Those of services are theirs. */
static bool is_ours(const char *folder)
{
    g_autofree char *owner = eg_spool_owner(folder);
    return owner != NULL && *owner == '\0' && !eg_spool_is_in_use(folder) &&
           !eg_spool_remove_if_empty(folder);
}

EgRest *eg_rest_new(EgLoop *loop, const char *spool_root, const EgConfig *config, const EgLog *log)
{
    static const EgResumeEvents events = {.ended = on_ended};
    EgRest *rest = g_new(EgRest, 1);
    rest->entries = g_ptr_array_new_with_free_func(free_entry);
    g_autoptr(GPtrArray) folders = eg_spool_list(spool_root);
    for (guint i = 0; i < folders->len; i++) {
        const char *folder = folders->pdata[i];
        g_autoptr(GError) error = NULL;
        if (!is_ours(folder))
            continue;
        Entry *entry = g_new0(Entry, 1);
        entry->owner = rest;
        entry->folder = g_strdup(folder);
        g_ptr_array_add(rest->entries, entry);
        const EgResumeParams params = {.folder = folder, .config = config, .log = log};
        entry->resume = eg_resume_new(loop, &params, &events, entry, &error);
        if (entry->resume != NULL)
            continue;
        eg_warn(log, "left-overs cannot be uploaded", EG_STR("folder", folder),
                EG_STR("error", error->message));
        g_ptr_array_remove(rest->entries, entry);
    }
    return rest;
}

void eg_rest_free(EgRest *rest)
{
    if (rest == NULL)
        return;
    g_ptr_array_unref(rest->entries);
    g_free(rest);
}
