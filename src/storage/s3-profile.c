/* Keys of a profile of AWS's shared files: `~/.aws/credentials`, and `~/.aws/config`, which also
 * says where to get one. https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html */
#include "storage/s3-profile.h"

#include <string.h>

#include "base/error.h"
#include "storage/s3-process.h"

#define DEFAULT_PROFILE "default"

/* Profiles that lead to others may lead in circles. */
#define MAX_DEPTH 5

typedef struct {
    char *credentials_path;
    char *config_path;
    GKeyFile *credentials; /* NULL, as the other: it cannot be read */
    GKeyFile *config;
    GError *reason; /* why the first cannot be read */
} Files;

/* What a key is asked for with. */
typedef struct {
    const Files *files;
    const EgStorageS3 *settings;
    const EgS3Sts *sts;
    GCancellable *cancellable;
} Search;

static char *path_of(const char *variable, const char *name)
{
    const char *path = eg_s3_variable(variable);
    return path != NULL ? g_strdup(path) : g_build_filename(g_get_home_dir(), ".aws", name, NULL);
}

/* AWS's files are like GLib's, but for comments, and lines that belong to the one above. */
static GKeyFile *read_file(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GKeyFile) file = g_key_file_new();
    if (!g_file_get_contents(path, &text, NULL, error))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        if (strchr("; \t", **line) != NULL)
            **line = '\0';
        g_strchomp(*line);
    }
    g_autofree char *clean = g_strjoinv("\n", lines);
    return g_key_file_load_from_data(file, clean, strlen(clean), G_KEY_FILE_NONE, error)
               ? g_steal_pointer(&file)
               : NULL;
}

static void read_files(Files *files)
{
    *files = (Files){
        .credentials_path = path_of("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        .config_path = path_of("AWS_CONFIG_FILE", "config"),
    };
    files->credentials = read_file(files->credentials_path, &files->reason);
    files->config = read_file(files->config_path, NULL);
}

static void clear_files(Files *files)
{
    g_free(files->credentials_path);
    g_free(files->config_path);
    g_clear_pointer(&files->credentials, g_key_file_unref);
    g_clear_pointer(&files->config, g_key_file_unref);
    g_clear_error(&files->reason);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Files, clear_files)

static const char *chosen_profile(void)
{
    const char *profile = eg_s3_variable("AWS_PROFILE");
    return profile != NULL ? profile : DEFAULT_PROFILE;
}

static char *value_in(GKeyFile *file, const char *section, const char *name)
{
    char *value = file != NULL ? g_key_file_get_value(file, section, name, NULL) : NULL;
    if (value != NULL && *value == '\0')
        g_clear_pointer(&value, g_free);
    return value;
}

/* A new string; NULL: neither file says it. */
static char *value_of(const Files *files, const char *profile, const char *name)
{
    bool is_default = strcmp(profile, DEFAULT_PROFILE) == 0;
    g_autofree char *section = g_strconcat(is_default ? "" : "profile ", profile, NULL);
    char *value = value_in(files->credentials, profile, name);
    return value != NULL ? value : value_in(files->config, section, name);
}

static EgS3Key *find(const Search *search, const char *profile, guint depth, GError **error);

static EgS3Key *refuse(GError **error, const char *profile, const char *what)
{
    eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST, "the profile '%s' of AWS %s",
                 profile, what);
    return NULL;
}

static EgS3Key *fetch_static(const Search *search, const char *profile, guint depth, GError **error)
{
    (void)depth;
    const Files *files = search->files;
    g_autofree char *access_key = value_of(files, profile, "aws_access_key_id");
    g_autofree char *secret = value_of(files, profile, "aws_secret_access_key");
    g_autofree char *token = value_of(files, profile, "aws_session_token");
    if (access_key != NULL && secret != NULL)
        return eg_s3_key_new(access_key, secret, token, 0);
    return refuse(error, profile, "has aws_access_key_id, but no aws_secret_access_key");
}

static EgS3Key *fetch_credential_source(const Search *search, const char *source,
                                        const char *profile, GError **error)
{
    static const struct {
        const char *name;
        EgS3Key *(*fetch)(const EgStorageS3 *settings, const EgS3Sts *sts,
                          GCancellable *cancellable, GError **error);
    } rows[] = {
        {"Environment",         eg_s3_environment_fetch},
        {"Ec2InstanceMetadata", eg_s3_instance_fetch   },
        {"EcsContainer",        eg_s3_container_fetch  },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(rows[i].name, source) == 0)
            return rows[i].fetch(search->settings, search->sts, search->cancellable, error);
    }
    return refuse(error, profile,
                  "has a credential_source that is none: it is Environment, Ec2InstanceMetadata or "
                  "EcsContainer");
}

/* A role for somebody who has another key: that of another profile, or of this machine. */
static EgS3Key *fetch_role(const Search *search, const char *profile, guint depth, GError **error)
{
    const Files *files = search->files;
    g_autofree char *role_arn = value_of(files, profile, "role_arn");
    g_autofree char *external_id = value_of(files, profile, "external_id");
    g_autofree char *other = value_of(files, profile, "source_profile");
    g_autofree char *source = value_of(files, profile, "credential_source");
    g_autofree char *token_path = value_of(files, profile, "web_identity_token_file");
    if (token_path != NULL)
        return eg_s3_web_identity_fetch(search->sts, token_path, "web_identity_token_file",
                                        role_arn, search->cancellable, error);
    if (other == NULL && source == NULL)
        return refuse(error, profile,
                      "has a role_arn, but no source_profile, credential_source or "
                      "web_identity_token_file");
    g_autoptr(EgS3Key) key = NULL;
    if (other == NULL)
        key = fetch_credential_source(search, source, profile, error);
    else if (strcmp(other, profile) == 0)
        key = fetch_static(search, profile, depth, error);
    else
        key = find(search, other, depth + 1, error);
    return key != NULL ? eg_s3_sts_assume_role(search->sts, key, role_arn, external_id,
                                               search->cancellable, error)
                       : NULL;
}

static EgS3Key *fetch_process(const Search *search, const char *profile, guint depth,
                              GError **error)
{
    (void)depth;
    g_autofree char *command = value_of(search->files, profile, "credential_process");
    return eg_s3_process_fetch(command, search->cancellable, error);
}

static EgS3Key *fetch_single_sign_on(const Search *search, const char *profile, guint depth,
                                     GError **error)
{
    (void)search;
    (void)depth;
    return refuse(error, profile,
                  "is one of single sign-on, which is not supported; a credential_process can be "
                  "`aws configure export-credentials --profile NAME`");
}

/* What a profile says, and what becomes of it; the first that it does counts. */
static const struct {
    const char *name;
    EgS3Key *(*fetch)(const Search *search, const char *profile, guint depth, GError **error);
} kinds[] = {
    {"role_arn",           fetch_role          },
    {"aws_access_key_id",  fetch_static        },
    {"credential_process", fetch_process       },
    {"sso_session",        fetch_single_sign_on},
    {"sso_start_url",      fetch_single_sign_on},
};

/* Their number: it says nothing of keys. */
static gsize kind_of(const Files *files, const char *profile)
{
    gsize i = 0;
    for (; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *value = value_of(files, profile, kinds[i].name);
        if (value != NULL)
            break;
    }
    return i;
}

static EgS3Key *find(const Search *search, const char *profile, guint depth, GError **error)
{
    const Files *files = search->files;
    gsize kind = kind_of(files, profile);
    if (depth > MAX_DEPTH)
        return refuse(error, profile, "is one of too many that name each other by source_profile");
    if (kind < G_N_ELEMENTS(kinds))
        return kinds[kind].fetch(search, profile, depth, error);
    eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
                 "neither %s nor %s says where the profile '%s' has its keys%s%s",
                 files->credentials_path, files->config_path, profile,
                 files->reason != NULL ? ": " : "",
                 files->reason != NULL ? files->reason->message : "");
    return NULL;
}

/* What nobody has asked for, and says nothing of keys, is not there. */
bool eg_s3_profile_is_there(const EgStorageS3 *settings)
{
    (void)settings;
    if (eg_s3_variable("AWS_SHARED_CREDENTIALS_FILE") != NULL ||
        eg_s3_variable("AWS_PROFILE") != NULL)
        return true;
    g_auto(Files) files = {0};
    read_files(&files);
    return kind_of(&files, DEFAULT_PROFILE) < G_N_ELEMENTS(kinds);
}

EgS3Key *eg_s3_profile_fetch(const EgStorageS3 *settings, const EgS3Sts *sts,
                             GCancellable *cancellable, GError **error)
{
    g_auto(Files) files = {0};
    read_files(&files);
    const Search search = {
        .files = &files,
        .settings = settings,
        .sts = sts,
        .cancellable = cancellable,
    };
    return find(&search, chosen_profile(), 0, error);
}

char *eg_s3_profile_region(void)
{
    g_auto(Files) files = {0};
    read_files(&files);
    return value_of(&files, chosen_profile(), "region");
}
