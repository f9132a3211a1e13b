#include "session/description.h"

#include <string.h>

struct _EgDescription {
    char *room_name;
    char *room_sid;
    char *identity;
    char *page;
    char *track_id;
    const char *track_type;   /* static */
    const char *track_source; /* static */
    GPtrArray *entries;       /* Entry, in the order of their coming */
    GString *text;
};

/* What is said of a publication; it may be gone when it is said. */
typedef struct {
    char *sid;
    char *identity;
    char *text;
} Entry;

static void free_entry(gpointer data)
{
    Entry *entry = data;
    g_free(entry->sid);
    g_free(entry->identity);
    g_free(entry->text);
    g_free(entry);
}

/* For people. */
static const char *const labels[] = {
    [EG_TRACK_SOURCE_UNKNOWN] = "track",
    [EG_TRACK_SOURCE_CAMERA] = "camera",
    [EG_TRACK_SOURCE_MICROPHONE] = "microphone",
    [EG_TRACK_SOURCE_SCREEN_SHARE] = "screen share",
    [EG_TRACK_SOURCE_SCREEN_SHARE_AUDIO] = "screen share audio",
};

EgDescription *eg_description_new(void)
{
    EgDescription *description = g_new0(EgDescription, 1);
    description->entries = g_ptr_array_new_with_free_func(free_entry);
    description->text = g_string_new(NULL);
    return description;
}

void eg_description_free(EgDescription *description)
{
    if (description == NULL)
        return;
    g_ptr_array_unref(description->entries);
    g_string_free(description->text, TRUE);
    g_free(description->room_name);
    g_free(description->room_sid);
    g_free(description->identity);
    g_free(description->page);
    g_free(description->track_id);
    g_free(description);
}

void eg_description_set_facts(EgDescription *description, const EgSourceFacts *facts)
{
    const EgPublication *publication = facts->publication;
    description->room_name = g_strdup(facts->room_name);
    description->room_sid = g_strdup(facts->room_sid);
    description->identity = g_strdup(facts->identity);
    description->page = g_strdup(facts->page);
    if (publication == NULL)
        return;
    description->track_id = g_strdup(publication->sid);
    description->track_type = eg_media_name(publication->media);
    description->track_source = eg_track_source_name(publication->source);
}

static char *describe(const EgPublication *publication)
{
    GString *text = g_string_new(labels[publication->source]);
    if (publication->codec != EG_CODEC_NONE)
        g_string_append_printf(text, " %s", eg_codec_info(publication->codec)->name);
    if (publication->width != 0)
        g_string_append_printf(text, " %ux%u", publication->width, publication->height);
    return g_string_free(text, FALSE);
}

void eg_description_add(EgDescription *description, const EgPublication *publication)
{
    Entry *entry = g_new(Entry, 1);
    *entry = (Entry){
        .sid = g_strdup(publication->sid),
        .identity = g_strdup(publication->identity),
        .text = describe(publication),
    };
    g_ptr_array_add(description->entries, entry);
}

void eg_description_remove(EgDescription *description, const EgPublication *publication)
{
    for (guint i = 0; i < description->entries->len; i++) {
        const Entry *entry = description->entries->pdata[i];
        if (strcmp(entry->sid, publication->sid) == 0) {
            g_ptr_array_remove_index(description->entries, i);
            return;
        }
    }
}

void eg_description_get_facts(const EgDescription *description, EgFilenameFacts *facts)
{
    *facts = (EgFilenameFacts){
        .room_name = description->room_name,
        .room_id = description->room_sid,
        .publisher_identity = description->identity,
        .track_id = description->track_id,
        .track_type = description->track_type,
        .track_source = description->track_source,
    };
}

const char *eg_description_text(EgDescription *description)
{
    GString *text = description->text;
    const char *last_identity = NULL;
    g_string_truncate(text, 0);
    for (guint i = 0; i < description->entries->len; i++) {
        const Entry *entry = description->entries->pdata[i];
        if (g_strcmp0(entry->identity, last_identity) != 0)
            g_string_append_printf(text, "%s%s: ", i > 0 ? "; " : "", entry->identity);
        else
            g_string_append(text, ", ");
        last_identity = entry->identity;
        g_string_append(text, entry->text);
    }
    if (description->page != NULL)
        g_string_append(text, description->page);
    if (text->len == 0 && description->identity != NULL)
        g_string_append_printf(text, "%s: nothing published", description->identity);
    return text->str;
}
