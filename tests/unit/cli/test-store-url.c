/* -o s3://… and the like, as a whole command line: what is planned. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/options.h"
#include "cli/store-url.h"
#include "request/plan.h"

static const char *const variables[] = {
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "OSS_ACCESS_KEY_ID",
    "OSS_ENDPOINT",
    "OSS_ACCESS_KEY_SECRET",
    "GOOGLE_APPLICATION_CREDENTIALS",
};

/* "A=b C=d", and nothing else of all these. */
static void set_environment(const char *text)
{
    for (gsize i = 0; i < G_N_ELEMENTS(variables); i++)
        g_unsetenv(variables[i]);
    g_auto(GStrv) pairs = g_strsplit(text, " ", -1);
    for (char **pair = pairs; *pair != NULL; pair++) {
        char *value = strchr(*pair, '=');
        if (value == NULL)
            continue;
        *value = '\0';
        g_setenv(*pair, value + 1, TRUE);
    }
}

static EgRecordOptions *parse(const char *const *outputs, GError **error)
{
    g_autoptr(GPtrArray) args = g_ptr_array_new();
    static const char *const needed[] = {"--url=ws://h", "--api-key=k", "--api-secret=s",
                                         "--room=r", "--participant=p"};
    for (gsize i = 0; i < G_N_ELEMENTS(needed); i++)
        g_ptr_array_add(args, (gpointer)(guintptr)needed[i]);
    for (; *outputs != NULL; outputs++) {
        g_ptr_array_add(args, (gpointer)(guintptr) "-o");
        g_ptr_array_add(args, (gpointer)(guintptr)*outputs);
    }
    g_ptr_array_add(args, NULL);
    return eg_record_options_parse((const char *const *)args->pdata, error);
}

static EgPlan *plan_of(const char *const *outputs)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(EgRecordOptions) options = parse(outputs, &error);
    g_assert_no_error(error);
    EgPlan *plan = eg_plan_new(options->request, options->config, &error);
    g_assert_no_error(error);
    return plan;
}

static const char *shown(const char *text)
{
    return text != NULL ? text : "-";
}

static void test_stores(void)
{
    static const struct {
        const char *output;
        const char *environment;
        const char *text; /* kind, bucket, endpoint, path, and what is special of the kind */
    } cases[] = {
  // clang-format off
        {"s3://b/rec/x.mp4", "AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s", "s3 b - rec/x.mp4 -"},
        {"s3://b/x.mp4?endpoint=https://h:9&region=eu-1", "AWS_REGION=us-1", "s3 b https://h:9 x.mp4 eu-1"},
        {"s3://b/x.mp4?endpoint=127.0.0.1:9", "", "s3 b 127.0.0.1:9 x.mp4 - path"},
        {"s3://b/x.mp4?path_style=0", "AWS_ENDPOINT_URL=http://localhost:9", "s3 b http://localhost:9 x.mp4 -"},
        {"s3://b/x.mp4", "AWS_ENDPOINT_URL=http://[::1]:9 AWS_DEFAULT_REGION=r", "s3 b http://[::1]:9 x.mp4 r path"},
        {"S3://b/x.mp4?path_style=1", "AWS_ENDPOINT_URL=x AWS_ENDPOINT_URL_S3=y AWS_REGION=a AWS_DEFAULT_REGION=b",
         "s3 b y x.mp4 a path"},
        {"s3://b/what?/x.mp4?region=r", "", "s3 b - what?/x.mp4 r"},
        {"s3://b/{room_name}/", "", "s3 b - {room_name}/ -"},
        {"s3://b", "", "s3 b -  -"},
        {"s3://b//x.mp4", "", "s3 b - x.mp4 -"},
        {"gs://b/x.mp4", "", "gcp b - x.mp4 -"},
        {"az://c/x.mp4", "AZURE_STORAGE_ACCOUNT=n AZURE_STORAGE_KEY=a2V5", "azure c - x.mp4 n a2V5 -"},
        {"az://c/x.mp4?account=m&endpoint=http://h/m", "AZURE_STORAGE_ACCOUNT=n AZURE_STORAGE_SAS_TOKEN=sv",
         "azure c http://h/m x.mp4 m - sv"},
        {"oss://b/x.mp4?endpoint=e", "OSS_ACCESS_KEY_ID=k OSS_ACCESS_KEY_SECRET=s", "alioss b e x.mp4 k s"},
        {"oss://b/x.mp4", "OSS_ENDPOINT=f OSS_ACCESS_KEY_ID=k OSS_ACCESS_KEY_SECRET=s", "alioss b f x.mp4 k s"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].output);
        set_environment(cases[i].environment);
        const char *const outputs[] = {cases[i].output, NULL};
        g_autoptr(EgPlan) plan = plan_of(outputs);
        const EgStorage *s = plan->outputs[0].storage;
        g_autoptr(GString) text = g_string_new(NULL);
        g_string_append_printf(text, "%s %s %s %s", eg_store_kind_name(s->kind), s->bucket,
                               shown(s->endpoint), plan->outputs[0].path_template);
        if (s->kind == EG_STORE_S3)
            g_string_append_printf(text, " %s%s", shown(s->s3.region),
                                   s->s3.force_path_style ? " path" : "");
        else if (s->kind == EG_STORE_GCS)
            g_string_append_printf(text, " %s", shown(s->gcs.credentials_json));
        else if (s->kind == EG_STORE_AZURE)
            g_string_append_printf(text, " %s %s %s", s->azure.account_name,
                                   shown(s->azure.account_key), shown(s->azure.sas_token));
        else
            g_string_append_printf(text, " %s %s", s->alioss.access_key, s->alioss.secret);
        g_assert_cmpstr(text->str, ==, cases[i].text);
        /* AWS's keys are the store's matter. */
        g_assert_null(s->s3.access_key);
    }
    set_environment("");
}

static void test_google_file(void)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    int fd = g_file_open_tmp("egress-test-XXXXXX", &path, &error);
    g_assert_no_error(error);
    g_assert_true(g_close(fd, NULL));
    g_assert_true(g_file_set_contents(path, "{\n}", -1, NULL));
    g_autofree char *environment = g_strconcat("GOOGLE_APPLICATION_CREDENTIALS=", path, NULL);
    set_environment(environment);
    static const char *const outputs[] = {"gs://b/x.mp4?endpoint=http://localhost:1", NULL};
    g_autoptr(EgPlan) plan = plan_of(outputs);
    g_assert_cmpstr(plan->outputs[0].storage->gcs.credentials_json, ==, "{\n}");
    g_assert_cmpint(g_remove(path), ==, 0);

    g_autoptr(EgRecordOptions) options = parse(outputs, &error);
    g_assert_null(options);
    g_assert_true(strstr(error->message, "GOOGLE_APPLICATION_CREDENTIALS: ") != NULL);
    set_environment("");
}

/* Each kind of output where it belongs, beside those on this machine. */
static void test_kinds(void)
{
    static const char *const outputs[] = {
        "s3://b/x.mp4", "gs://g/hls/x.m3u8", "shots/%05d.jpg", "rtmp://h/a/k", NULL,
    };
    static const struct {
        EgOutputKind kind;
        const char *bucket; /* NULL: this machine */
        const char *path;
    } expected[] = {
        {EG_OUTPUT_FILE,     "b",  "x.mp4"     },
        {EG_OUTPUT_STREAM,   NULL, NULL        },
        {EG_OUTPUT_SEGMENTS, "g",  "hls/x"     },
        {EG_OUTPUT_IMAGES,   NULL, "shots/%05d"},
    };
    g_autoptr(EgPlan) plan = plan_of(outputs);
    g_assert_cmpuint(plan->n_outputs, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < plan->n_outputs; i++) {
        const EgOutput *output = &plan->outputs[i];
        g_assert_cmpint(output->kind, ==, expected[i].kind);
        g_assert_cmpstr(output->path_template, ==, expected[i].path);
        g_assert_cmpstr(output->storage != NULL ? output->storage->bucket : NULL, ==,
                        expected[i].bucket);
    }
    static const char *const images[] = {"s3://b/i/%05d.png", NULL};
    g_autoptr(EgPlan) stored = plan_of(images);
    g_assert_cmpint(stored->outputs[0].kind, ==, EG_OUTPUT_IMAGES);
    g_assert_cmpint(stored->outputs[0].suffix, ==, EG_SUFFIX_INDEX);
    g_assert_nonnull(stored->outputs[0].storage);
}

static void test_refused(void)
{
    static const struct {
        const char *outputs[3];
        const char *text;
    } cases[] = {
        {{"s3://", NULL},                         "--output: s3:// needs a bucket, as in s3://bucket/folder/name.mp4"},
        {{"s3:///x.mp4", NULL},                   "--output: s3:///x.mp4 needs a bucket, as in s3://bucket/"         },
        {{"s3://b/x.mp4?acl=public", NULL},
         "--output: s3:// has no option acl; there are endpoint, region, path_style"                                 },
        {{"s3://b/x.mp4?path_style=maybe", NULL}, "--output: path_style must be 1 or 0, not maybe"                   },
        {{"s3://b/x.avi", NULL},                  "--output: there is no format .avi; "                              },
        {{"s3://b/x.mp4", "y.mp4"},               "--output: there can be several streams, but one file, "           },
        {{"oss://b/x.mp4", NULL},                 "--output: oss:// needs OSS_ACCESS_KEY_ID in the environment"      },
        {{"gs://b/x.mp4?%zz=1", NULL},            "--output: "                                                       },
    };
    set_environment("");
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].outputs[0]);
        const char *const outputs[] = {cases[i].outputs[0], cases[i].outputs[1], NULL};
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(outputs, &error));
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        g_test_message("%s", error->message);
        g_assert_true(g_str_has_prefix(error->message, cases[i].text));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/store-url/stores", test_stores);
    g_test_add_func("/cli/store-url/google-file", test_google_file);
    g_test_add_func("/cli/store-url/kinds", test_kinds);
    g_test_add_func("/cli/store-url/refused", test_refused);
    return g_test_run();
}
