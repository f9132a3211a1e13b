#include "session/resume.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "proto/message.h"

struct _EgResume {
    EgLoop *loop;
    EgResumeEvents events;
    gpointer user;
    const EgLog *log;
    EgSpool *spool;
    EgPlan *plan;
    EgReport *report;
    EgUploads *uploads;
    bool is_told;    /* how it has ended */
    bool has_failed; /* before */
    guint n_open;    /* outputs that are not finished */
    EgManifest *manifest;
    guint manifest_output; /* that it lies beside... */
    char *manifest_key;    /* ...where; NULL: none is to be written */
    GError *error;         /* of the first that could not be uploaded */
    EgTimer *end_timer;
};

/* The last word of the process that has died, if it had come so far. */
static const Livekit__EgressInfo *find_ending(const EgSpoolPast *past,
                                              const Livekit__EgressInfo *ending)
{
    if (past->final != NULL)
        return past->final;
    if (past->recorded != NULL)
        return past->recorded;
    return ending != NULL ? ending : past->info;
}

static void note_final(EgResume *resume)
{
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    g_autoptr(GError) error = NULL;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_FINAL;
    record.final = (Livekit__EgressInfo *)eg_report_info(resume->report);
    if (!eg_spool_note(resume->spool, &record, true, &error))
        eg_warn(resume->log, "state of the egress is not kept", EG_STR("error", error->message));
}

static void on_end_due(gpointer user)
{
    EgResume *resume = user;
    const Livekit__EgressInfo *info = eg_report_info(resume->report);
    bool has_news = resume->error != NULL && !resume->has_failed;
    eg_report_set_ended(resume->report,
                        has_news ? LIVEKIT__EGRESS_STATUS__EGRESS_FAILED : info->status,
                        EG_END_NONE, has_news ? resume->error : NULL, eg_wall_now_ns());
    if (!resume->is_told)
        note_final(resume);
    const char *folder = eg_spool_folder(resume->spool);
    bool is_all = resume->error == NULL && !eg_spool_has_files(folder);
    eg_info(resume->log, is_all ? "left-overs uploaded" : "left-overs not uploaded",
            EG_STR("folder", folder),
            EG_STR("error", resume->error != NULL ? resume->error->message : NULL));
    resume->events.ended(resume->user, resume->is_told ? NULL : eg_report_info(resume->report));
}

/* The last that is uploaded, if all that it names is. */
static void upload_manifest(EgResume *resume)
{
    const EgManifestTime now = {.now_ns = eg_now_ns(), .wall_ns = eg_wall_now_ns()};
    g_autofree char *json =
        eg_manifest_to_json(resume->manifest, eg_report_info(resume->report), now);
    g_autofree char *key = g_steal_pointer(&resume->manifest_key);
    g_autoptr(GBytes) content = g_bytes_new(json, strlen(json));
    eg_uploads_add_manifest(resume->uploads, resume->manifest_output, key, content);
}

static void end_if_over(EgResume *resume)
{
    if (resume->n_open > 0)
        return;
    if (resume->manifest_key != NULL && resume->error == NULL)
        upload_manifest(resume);
    else
        eg_timer_set(resume->end_timer, 0);
}

static void on_finished(gpointer user, guint output, const GError *error)
{
    EgResume *resume = user;
    (void)output;
    if (error != NULL && resume->error == NULL)
        resume->error = g_error_copy(error);
    resume->n_open--;
    end_if_over(resume);
}

/* Worth less than the files, as elsewhere: that it is not there is no failure. */
static void on_manifest(gpointer user, const char *location, const GError *error)
{
    EgResume *resume = user;
    if (error != NULL)
        eg_warn(resume->log, "manifest is not uploaded", EG_STR("error", error->message));
    else
        eg_report_set_manifest(resume->report, location);
    eg_timer_set(resume->end_timer, 0);
}

static void on_counted(gpointer user, const EgUploadResult *result)
{
    EgResume *resume = user;
    if (resume->events.counted != NULL)
        resume->events.counted(resume->user, result);
}

static bool is_open(const EgResume *resume, const Egress__SpoolOutput *noted)
{
    return noted->output < resume->plan->n_outputs &&
           resume->plan->outputs[noted->output].storage != NULL;
}

/* As where nothing has died, it lies beside the first that wants one. */
static void plan_manifest(EgResume *resume, guint output, const EgOutputNames *keys)
{
    const EgPlan *plan = resume->plan;
    bool is_there = *eg_report_info(resume->report)->manifest_location != '\0';
    bool is_first = resume->manifest_key == NULL || output < resume->manifest_output;
    if (!plan->outputs[output].has_manifest || is_there || !is_first)
        return;
    g_autofree char *folder = eg_output_names_folder(keys);
    g_free(resume->manifest_key);
    resume->manifest_key = eg_output_names_manifest(folder, plan->egress_id);
    resume->manifest_output = output;
}

static void begin(EgResume *resume)
{
    const EgSpoolPast *past = eg_spool_past(resume->spool);
    eg_uploads_remember(resume->uploads);
    for (guint i = 0; i < past->outputs->len; i++) {
        const Egress__SpoolOutput *noted = past->outputs->pdata[i];
        g_auto(EgOutputNames) keys = {0};
        EgFormat format;
        if (!is_open(resume, noted))
            continue;
        eg_output_names_read(noted, &keys, &format);
        resume->n_open++;
        plan_manifest(resume, noted->output, &keys);
        eg_uploads_recover(resume->uploads, noted->output, &keys, format);
    }
    end_if_over(resume);
}

static bool open_all(EgResume *resume, const EgResumeParams *params, GError **error)
{
    static const EgUploadsEvents events = {
        .finished = on_finished, .counted = on_counted, .manifest = on_manifest};
    resume->spool = eg_spool_open(params->folder, error);
    if (resume->spool == NULL)
        return false;
    const EgSpoolPast *past = eg_spool_past(resume->spool);
    const Livekit__EgressInfo *ending = find_ending(past, params->ending);
    if (past->request == NULL || ending == NULL) {
        eg_error_set(error, EG_ERROR_DATA_LOSS, EG_BLAME_SERVICE,
                     "%s does not say what it is the rest of", params->folder);
        return false;
    }
    resume->plan = eg_plan_new(past->request, params->config, error);
    if (resume->plan == NULL)
        return false;
    resume->is_told = past->final != NULL && params->ending == NULL;
    resume->has_failed = ending->status == LIVEKIT__EGRESS_STATUS__EGRESS_FAILED;
    resume->report = eg_report_new_from_info(ending, resume->plan);
    resume->manifest = eg_manifest_new(resume->plan);
    g_autofree char *kept = eg_spool_manifest(resume->spool);
    if (kept != NULL)
        eg_manifest_set_past(resume->manifest, kept);
    const EgUploadsParams uploads = {
        .manifest = resume->manifest,
        .plan = resume->plan,
        .spool = resume->spool,
        .report = resume->report,
        .config = params->config,
        .log = params->log,
        .is_resumed = past->final == NULL && past->recorded == NULL,
    };
    resume->uploads = eg_uploads_new(resume->loop, &uploads, &events, resume);
    return true;
}

EgResume *eg_resume_new(EgLoop *loop, const EgResumeParams *params, const EgResumeEvents *events,
                        gpointer user, GError **error)
{
    g_autoptr(EgResume) resume = g_new0(EgResume, 1);
    resume->loop = loop;
    resume->events = *events;
    resume->user = user;
    resume->log = params->log;
    resume->end_timer = eg_timer_new(loop, on_end_due, resume);
    if (!open_all(resume, params, error))
        return NULL;
    begin(resume);
    return g_steal_pointer(&resume);
}

void eg_resume_free(EgResume *resume)
{
    if (resume == NULL)
        return;
    eg_uploads_free(resume->uploads);
    eg_report_free(resume->report);
    eg_manifest_free(resume->manifest);
    g_free(resume->manifest_key);
    eg_plan_free(resume->plan);
    eg_spool_free(resume->spool);
    eg_timer_free(resume->end_timer);
    g_clear_error(&resume->error);
    g_free(resume);
}
