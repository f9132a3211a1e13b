/* Runs a fuzz target without a fuzzer: on every file of the folders given as arguments, and on each
 * of them cut off at every length, which is how a message from the network breaks most often. */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of a longer file, not every length is tried. */
#define MAX_LENGTHS 2048

/* In memory of exactly this size, so that a sanitizer sees who reads on. */
static void run_once(const char *contents, gsize size)
{
    guint8 *data = malloc(size > 0 ? size : 1);
    if (data == NULL)
        abort();
    memcpy(data, contents, size);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static gsize replay_file(const char *path)
{
    g_autofree char *contents = NULL;
    gsize size;
    g_autoptr(GError) error = NULL;
    if (!g_file_get_contents(path, &contents, &size, &error)) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
    gsize step = size / MAX_LENGTHS + 1;
    gsize n = 1;
    for (gsize length = 0; length < size; length += step, n++)
        run_once(contents, length);
    run_once(contents, size);
    return n;
}

static gsize replay_folder(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) folder = g_dir_open(path, 0, &error);
    if (folder == NULL) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
    gsize n = 0;
    for (const char *name; (name = g_dir_read_name(folder)) != NULL;) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        n += replay_file(file);
    }
    return n;
}

int main(int argc, char **argv)
{
    gsize n = 0;
    for (int i = 1; i < argc; i++)
        n += replay_folder(argv[i]);
    printf("%zu inputs\n", n);
    /* Without a seed nothing has been tested. */
    return n > 0 ? 0 : 1;
}
