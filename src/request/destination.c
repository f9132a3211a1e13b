#include "request/destination.h"

#include <errno.h>
#include <glib/gstdio.h>
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

/* Where the codecs decide, each format that may come out. */
static bool check_formats(const EgPlan *plan, const EgFilenameFacts *facts, EgDestinationRule rule,
                          GError **error)
{
    for (guint i = EG_FORMAT_NONE + 1; i < EG_N_FORMATS; i++) {
        if (plan->file.format != EG_FORMAT_NONE && plan->file.format != (EgFormat)i)
            continue;
        g_autofree char *path =
            eg_filename_expand(plan->file.path_template, (EgFormat)i, facts, error);
        if (path == NULL || !check_file(path, rule, error))
            return false;
    }
    return true;
}

bool eg_destination_check(const EgPlan *plan, EgDestinationRule rule, GError **error)
{
    const char *template = plan->file.path_template;
    g_autofree char *folder = eg_filename_fixed_folder(template);
    if (!check_folder(folder, error))
        return false;

    EgFilenameFacts facts = {
        .room_name = plan->room_name,
        .publisher_identity = plan->selection.identity,
        .track_id = plan->selection.track_id,
        .retry_count = plan->retry_count,
    };
    if (!eg_filename_is_known(template, &facts))
        return true;
    /* "rec" for the folder rec, not for rec.mp4 beside it. */
    if (g_file_test(template, G_FILE_TEST_IS_DIR))
        return check_file(template, rule, error);
    return check_formats(plan, &facts, rule, error);
}
