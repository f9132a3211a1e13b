/* The manifest of an egress, beside what its outputs have written. */
#include <string.h>

#include "base/time.h"
#include "session/outputs-private.h"

static EgManifestTime get_now(void)
{
    return (EgManifestTime){.now_ns = eg_now_ns(), .wall_ns = eg_wall_now_ns()};
}

/* A file's result says enough, and what is replaced is not there any more. */
void eg_member_note_file(const EgMember *member, const EgSinkFile *file)
{
    const EgManifestFile note = {
        .kind = member->kind,
        .output = member->output,
        .filename = file->path,
        .location = file->path,
    };
    EgManifest *manifest = member->owner->params.manifest;
    if (manifest != NULL && member->kind != EG_OUTPUT_FILE && file->content == NULL)
        eg_manifest_add_file(manifest, &note, get_now());
}

/* Whose folder has the manifest; of the plan's, as streams may have been added. NULL: none is
 * wanted. LiveKit's exception: who looks for files in the backup needs it. */
static const EgMember *find_member(const EgOutputs *outputs)
{
    const Livekit__EgressInfo *info = eg_report_info(outputs->params.report);
    const EgPlan *plan = outputs->params.plan;
    for (guint i = 0; i < plan->n_outputs; i++) {
        const EgMember *member = outputs->members->pdata[i];
        bool is_wanted =
            plan->outputs[i].has_manifest || (member->is_stored && info->backup_storage_used);
        if (is_wanted && member->folder != NULL && member->state == EG_MEMBER_DRAINED)
            return member;
    }
    return NULL;
}

/* In one step. It is worth less than the files: that it cannot be written is no failure. */
static void write_file(EgOutputs *outputs, const char *path, const char *json)
{
    const EgOutputsParams *params = &outputs->params;
    g_autoptr(GError) error = NULL;
    if (g_file_set_contents_full(path, json, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error))
        eg_report_set_manifest(params->report, path);
    else
        eg_warn(params->log, "manifest is not written", EG_STR("error", error->message));
}

bool eg_outputs_write_manifest(EgOutputs *outputs)
{
    const EgOutputsParams *params = &outputs->params;
    if (outputs->has_manifest)
        return !outputs->is_manifest_waited_for;
    const EgMember *member = find_member(outputs);
    outputs->has_manifest = true;
    if (member == NULL || params->manifest == NULL)
        return true;
    g_autofree char *json =
        eg_manifest_to_json(params->manifest, eg_report_info(params->report), get_now());
    g_autofree char *path = eg_output_names_manifest(member->folder, params->plan->egress_id);
    if (!member->is_stored) {
        write_file(outputs, path, json);
        return true;
    }
    g_autoptr(GBytes) content = g_bytes_new(json, strlen(json));
    outputs->is_manifest_waited_for = true;
    eg_uploads_add_manifest(outputs->uploads, member->output, path, content);
    return false;
}

void eg_outputs_note_manifest(EgOutputs *outputs, const char *location, const GError *error)
{
    outputs->is_manifest_waited_for = false;
    if (error != NULL)
        eg_warn(outputs->params.log, "manifest is not uploaded", EG_STR("error", error->message));
    else
        eg_report_set_manifest(outputs->params.report, location);
}
