#include "service/process-children.h"

#include <stdbool.h>
#include <string.h>

/* Of /proc/PID/stat, see proc(5): "1234 (a name, which may have ) and blanks) S 1 ...". */
static bool parse_stat(const char *text, EgProcessChild *process, int *parent)
{
    const char *name = strchr(text, '(');
    const char *end = strrchr(text, ')');
    if (name == NULL || end == NULL || end < name || strlen(end) < strlen(") S 1"))
        return false;
    g_autofree char *own = g_strndup(name + 1, (gsize)(end - name - 1));
    process->pid = (int)g_ascii_strtoll(text, NULL, 10);
    g_strlcpy(process->name, own, sizeof(process->name));
    *parent = (int)g_ascii_strtoll(end + strlen(") S "), NULL, 10);
    return true;
}

GArray *eg_process_children(int pid)
{
    GArray *children = g_array_new(FALSE, TRUE, sizeof(EgProcessChild));
    g_autoptr(GDir) folder = g_dir_open("/proc", 0, NULL);
    const char *name;
    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename("/proc", name, "stat", NULL);
        g_autofree char *text = NULL;
        EgProcessChild process;
        int parent;
        if (g_ascii_isdigit(*name) && g_file_get_contents(path, &text, NULL, NULL) &&
            parse_stat(text, &process, &parent) && parent == pid)
            g_array_append_val(children, process);
    }
    return children;
}
