#include "request/destination.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "request/filename.h"

/* By making a file, since that is the only honest way to know. */
static bool check_folder(const char *folder, GError **error)
{
    g_autofree char *probe = g_build_filename(folder, ".egress-XXXXXX", NULL);
    int fd = g_mkstemp(probe);
    if (fd < 0) {
        eg_error_set_errno(error, errno, "write into", folder);
        return false;
    }
    close(fd);
    unlink(probe);
    return true;
}

/* The nearest that exists: in it the others would be made. */
static char *find_existing(char *folder)
{
    while (g_access(folder, F_OK) != 0 && errno == ENOENT && strcmp(folder, ".") != 0 &&
           strcmp(folder, "/") != 0) {
        char *above = g_path_get_dirname(folder);
        g_free(folder);
        folder = above;
    }
    return folder;
}

static bool check_file(const char *path, EgDestinationRule rule, GError **error)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        if (errno == ENOENT)
            return true;
        eg_error_set_errno(error, errno, "write", path);
        return false;
    }
    if (S_ISDIR(info.st_mode)) {
        eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_DESTINATION,
                     "cannot write %s: it is a directory; with a / at its end a name in it is "
                     "made up",
                     path);
        return false;
    }
    if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) {
        eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_DESTINATION,
                     "cannot write %s: it is no ordinary file", path);
        return false;
    }
    if ((rule & EG_DESTINATION_NEW) != 0) {
        eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_DESTINATION,
                     "cannot write %s: it exists", path);
        return false;
    }
    return true;
}

/* Where the codecs decide, any in which something can be that rooms send. */
static bool may_come(const EgOutput *output, EgFormat format)
{
    if (output->format != EG_FORMAT_NONE)
        return output->format == format;
    return eg_format_is_chosen(format) && (eg_format_holds_sent(format, EG_MEDIA_AUDIO) ||
                                           eg_format_holds_sent(format, EG_MEDIA_VIDEO));
}

static bool check_formats(const EgOutput *output, const EgFilenameFacts *facts,
                          EgDestinationRule rule, GError **error)
{
    for (guint i = EG_FORMAT_NONE + 1; i < EG_N_FORMATS; i++) {
        if (!may_come(output, (EgFormat)i))
            continue;
        g_autofree char *path =
            eg_filename_expand(output->path_template, (EgFormat)i, facts, error);
        if (path == NULL || !check_file(path, rule, error))
            return false;
    }
    return true;
}

/* Segments go where their playlist goes; it stands for all. */
static bool check_playlist(const EgOutput *output, const EgFilenameFacts *facts,
                           EgDestinationRule rule, GError **error)
{
    const char *template = output->segments.playlist_template;
    if (!eg_filename_is_known(template, facts))
        return true;
    g_autofree char *path = eg_filename_expand_playlist(template, facts, error);
    return path != NULL && check_file(path, rule, error);
}

static bool check_output(const EgOutput *output, const EgFilenameFacts *facts,
                         EgDestinationRule rule, GError **error)
{
    const char *template = output->path_template;
    if (template == NULL || output->storage != NULL)
        return true;
    g_autofree char *folder = eg_filename_fixed_folder(template);
    if ((rule & EG_DESTINATION_MAY_MAKE_FOLDERS) != 0)
        folder = find_existing(folder);
    if (!check_folder(folder, error))
        return false;
    if (output->kind == EG_OUTPUT_SEGMENTS)
        return check_playlist(output, facts, rule, error);
    if (output->kind != EG_OUTPUT_FILE || !eg_filename_is_known(template, facts))
        return true;
    /* "rec" for the folder rec, not for rec.mp4 beside it. */
    if (g_file_test(template, G_FILE_TEST_IS_DIR))
        return check_file(template, rule, error);
    return check_formats(output, facts, rule, error);
}

bool eg_destination_check(const EgPlan *plan, EgDestinationRule rule, GError **error)
{
    g_autofree const char **named = eg_selection_named_tracks(&plan->selection);
    const EgFilenameFacts facts = {
        .room_name = plan->room_name,
        .publisher_identity = plan->selection.identity,
        .track_id = named[0] != NULL && named[1] == NULL ? named[0] : NULL,
        .retry_count = plan->retry_count,
    };
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (!check_output(&plan->outputs[i], &facts, rule, error))
            return false;
    }
    return true;
}
