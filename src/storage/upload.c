#include "storage/upload.h"

#include "base/error.h"

typedef enum {
    PHASE_NONE,
    PHASE_START, /* nothing is begun */
    PHASE_PARTS,
    PHASE_STORED,
} Phase;

typedef enum {
    PART_WAITING,
    PART_RUNNING,
    PART_STORED,
} PartState;

typedef struct {
    PartState state;
    char *tag;
} Part;

struct _EgUpload {
    EgUploadParams params; /* with copies of the strings */
    Phase phase;
    guint generation; /* calls of an earlier one say nothing any more */
    guint n_running;
    char *begun;
    guint64 part_bytes;
    GArray *parts; /* Part */
    guint n_stored;
    bool was_restarted;
    bool grows;
    guint64 stable_from; /* of what grows */
    guint max_parts;     /* of the store that has them */
};

static void clear_part(gpointer data)
{
    g_free(((Part *)data)->tag);
}

EgUpload *eg_upload_new(const EgUploadParams *params)
{
    EgUpload *upload = g_new0(EgUpload, 1);
    upload->params = *params;
    upload->params.name = g_strdup(params->name);
    upload->params.path = g_strdup(params->path);
    upload->params.unfinished = g_strdup(params->unfinished);
    upload->params.content_type = g_strdup(params->content_type);
    if (params->content != NULL)
        g_bytes_ref(params->content);
    upload->phase = PHASE_START;
    upload->grows = params->unfinished != NULL;
    upload->max_parts = G_MAXINT;
    upload->parts = g_array_new(FALSE, TRUE, sizeof(Part));
    g_array_set_clear_func(upload->parts, clear_part);
    return upload;
}

void eg_upload_free(EgUpload *upload)
{
    if (upload == NULL)
        return;
    g_free((char *)upload->params.name);
    g_free((char *)upload->params.path);
    g_free((char *)upload->params.unfinished);
    g_free((char *)upload->params.content_type);
    g_clear_pointer(&upload->params.content, g_bytes_unref);
    g_array_unref(upload->parts);
    g_free(upload->begun);
    g_free(upload);
}

const EgUploadParams *eg_upload_params(const EgUpload *upload)
{
    return &upload->params;
}

/* Of what grows, those that are whole and not the last. */
static guint64 count_parts(const EgUpload *upload, guint64 part_bytes)
{
    guint64 size_bytes = upload->params.size_bytes;
    if (upload->grows)
        return size_bytes > 0 ? (size_bytes - 1) / part_bytes : 0;
    return MAX((size_bytes + part_bytes - 1) / part_bytes, 1);
}

static void set_parts(EgUpload *upload)
{
    guint64 n_parts = count_parts(upload, upload->part_bytes);
    if (upload->grows)
        n_parts = MIN(n_parts, upload->max_parts);
    g_array_set_size(upload->parts, MAX((guint)n_parts, upload->parts->len));
}

static void begin_parts(EgUpload *upload, const char *begun, guint64 part_bytes)
{
    upload->phase = PHASE_PARTS;
    upload->begun = g_strdup(begun);
    upload->part_bytes = part_bytes;
    upload->n_stored = 0;
    g_array_set_size(upload->parts, 0);
    set_parts(upload);
}

bool eg_upload_grows(const EgUpload *upload)
{
    return upload->grows;
}

void eg_upload_grow(EgUpload *upload, guint64 stable_from, guint64 size_bytes)
{
    upload->stable_from = stable_from;
    upload->params.size_bytes = size_bytes;
    if (upload->phase == PHASE_PARTS)
        set_parts(upload);
}

bool eg_upload_complete(EgUpload *upload, guint64 size_bytes)
{
    bool has_shrunk = size_bytes < upload->params.size_bytes;
    upload->grows = false;
    upload->params.size_bytes = size_bytes;
    if (upload->phase != PHASE_PARTS)
        return true;
    set_parts(upload);
    return !has_shrunk && count_parts(upload, upload->part_bytes) <= upload->max_parts;
}

void eg_upload_resume(EgUpload *upload, const EgSpoolUpload *begun)
{
    if (upload->params.content != NULL || begun->part_bytes == 0 ||
        begun->size_bytes != upload->params.size_bytes)
        return;
    begin_parts(upload, begun->upload, begun->part_bytes);
    for (guint i = 0; i < MIN(begun->tags->len, upload->parts->len); i++) {
        if (begun->tags->pdata[i] == NULL)
            continue;
        Part *part = &g_array_index(upload->parts, Part, i);
        *part = (Part){.state = PART_STORED, .tag = g_strdup(begun->tags->pdata[i])};
        upload->n_stored++;
    }
}

/* The first part of those that do not change any more. */
static guint64 first_stable(const EgUpload *upload, guint64 part_bytes)
{
    return upload->grows ? (upload->stable_from + part_bytes - 1) / part_bytes : 0;
}

/* The first that waits and can go; their number if there is none. */
static guint find_waiting(const EgUpload *upload)
{
    guint i = (guint)MIN(first_stable(upload, upload->part_bytes), upload->parts->len);
    while (i < upload->parts->len && g_array_index(upload->parts, Part, i).state != PART_WAITING)
        i++;
    return i;
}

/* What grows is begun when there is a part that can go; with a store that takes them in order, if
 * it is the first. */
static bool can_begin(const EgUpload *upload, const EgStoreLimits *limits)
{
    if (!upload->grows)
        return true;
    guint64 first = first_stable(upload, limits->part_bytes);
    return first < count_parts(upload, limits->part_bytes) &&
           (first == 0 || limits->parallel_parts > 1);
}

bool eg_upload_has_next(const EgUpload *upload, const EgStoreLimits *limits, bool *is_part)
{
    *is_part = false;
    if (upload->phase == PHASE_STORED)
        return false;
    if (upload->phase == PHASE_START)
        return upload->n_running == 0 && can_begin(upload, limits);
    if (upload->n_stored == upload->parts->len && !upload->grows)
        return upload->n_running == 0;
    *is_part = true;
    return upload->n_running < MAX(limits->parallel_parts, 1) &&
           find_waiting(upload) < upload->parts->len;
}

static bool is_put(const EgUpload *upload, const EgStoreLimits *limits)
{
    gsize limit_bytes = MIN(limits->part_bytes, limits->max_put_bytes);
    return upload->params.content != NULL ||
           (!upload->grows && upload->params.size_bytes <= limit_bytes);
}

/* Larger than the standard where there would be too many; how many there will be of what grows is
 * not known. */
static guint64 part_bytes_for(const EgUpload *upload, const EgStoreLimits *limits)
{
    guint64 size_bytes = upload->grows ? 0 : upload->params.size_bytes;
    guint64 step_bytes = MAX(limits->step_bytes, 1);
    guint64 max_parts = MAX(limits->max_parts, 1);
    guint64 least_bytes = (size_bytes + max_parts - 1) / max_parts;
    least_bytes = (least_bytes + step_bytes - 1) / step_bytes * step_bytes;
    return MAX(least_bytes, limits->part_bytes);
}

static void fill_part(EgUpload *upload, EgUploadCall *call)
{
    guint index = find_waiting(upload);
    guint64 offset = (guint64)index * upload->part_bytes;
    g_array_index(upload->parts, Part, index).state = PART_RUNNING;
    call->length = (gsize)MIN(upload->part_bytes, upload->params.size_bytes - offset);
    call->part = (EgStorePart){
        .index = index,
        .offset = offset,
        .is_last = !upload->grows && index + 1 == upload->parts->len,
    };
}

static void fill_tags(const EgUpload *upload, EgUploadCall *call)
{
    call->tags = g_new0(char *, upload->parts->len + 1);
    for (guint i = 0; i < upload->parts->len; i++)
        call->tags[i] = g_strdup(g_array_index(upload->parts, Part, i).tag);
}

static EgUploadCall *make_call(EgUpload *upload, const EgStoreLimits *limits)
{
    EgUploadCall *call;
    if (upload->phase == PHASE_START && is_put(upload, limits)) {
        call = eg_upload_call_new(EG_UPLOAD_PUT);
    } else if (upload->phase == PHASE_START) {
        call = eg_upload_call_new(EG_UPLOAD_BEGIN);
        call->part_bytes = part_bytes_for(upload, limits);
        upload->max_parts = MAX(limits->max_parts, 1);
    } else if (upload->n_stored == upload->parts->len && !upload->grows) {
        call = eg_upload_call_new(EG_UPLOAD_COMPLETE);
        fill_tags(upload, call);
    } else {
        call = eg_upload_call_new(EG_UPLOAD_PART);
        fill_part(upload, call);
    }
    return call;
}

EgUploadCall *eg_upload_next(EgUpload *upload, const EgStoreLimits *limits)
{
    EgUploadCall *call = make_call(upload, limits);
    call->output = upload->params.output;
    call->order = upload->params.order;
    call->name = g_strdup(upload->params.name);
    call->path = g_strdup(upload->params.path);
    call->unfinished = g_strdup(upload->params.unfinished);
    call->content_type = g_strdup(upload->params.content_type);
    call->content = upload->params.content != NULL ? g_bytes_ref(upload->params.content) : NULL;
    call->size_bytes = upload->grows ? 0 : upload->params.size_bytes;
    call->upload = g_strdup(upload->begun);
    call->generation = upload->generation;
    upload->n_running++;
    return call;
}

static void note_part(EgUpload *upload, EgUploadCall *call)
{
    Part *part = &g_array_index(upload->parts, Part, call->part.index);
    part->state = call->error == NULL ? PART_STORED : PART_WAITING;
    if (call->error != NULL)
        return;
    part->tag = g_steal_pointer(&call->text);
    upload->n_stored++;
}

EgUploadStep eg_upload_done(EgUpload *upload, EgUploadCall *call)
{
    if (call->generation != upload->generation)
        return EG_UPLOAD_STEP_NONE;
    upload->n_running--;
    if (call->kind == EG_UPLOAD_PART)
        note_part(upload, call);
    if (call->error != NULL)
        return EG_UPLOAD_STEP_FAILED;
    if (call->kind == EG_UPLOAD_BEGIN)
        begin_parts(upload, call->text, call->part_bytes);
    if (call->kind != EG_UPLOAD_PUT && call->kind != EG_UPLOAD_COMPLETE)
        return EG_UPLOAD_STEP_DONE;
    upload->phase = PHASE_STORED;
    return EG_UPLOAD_STEP_STORED;
}

void eg_upload_restart(EgUpload *upload)
{
    upload->was_restarted = upload->phase == PHASE_PARTS;
    upload->phase = PHASE_START;
    upload->generation++;
    upload->n_running = 0;
    upload->n_stored = 0;
    g_array_set_size(upload->parts, 0);
    g_clear_pointer(&upload->begun, g_free);
}

bool eg_upload_may_restart(const EgUpload *upload)
{
    return upload->phase == PHASE_PARTS && !upload->was_restarted;
}

const char *eg_upload_begun(const EgUpload *upload)
{
    return upload->begun;
}

guint eg_upload_running(const EgUpload *upload)
{
    return upload->n_running;
}

guint64 eg_upload_stored_bytes(const EgUpload *upload)
{
    guint64 bytes = (guint64)upload->n_stored * upload->part_bytes;
    return upload->phase == PHASE_STORED ? upload->params.size_bytes
                                         : MIN(bytes, upload->params.size_bytes);
}
