#include "storage/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "proto/message.h"

/* Before each record: its length, and the beginning of its hash. */
typedef struct {
    guint32 size_bytes; /* little endian, as the other */
    guint32 check;
} Head;

/* A request or a report is some kilobytes. */
#define MAX_RECORD_BYTES (16 * 1024 * 1024)

struct _EgJournal {
    char *path;
    int fd;
    GMutex lock; /* keeps records in one piece */
};

typedef void (*Take)(gpointer user, const Egress__SpoolRecord *record);

static guint32 check_of(const guint8 *data, gsize size_bytes)
{
    guint8 digest[32];
    gsize length = sizeof(digest);
    guint32 check;
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(checksum, data, (gssize)size_bytes);
    g_checksum_get_digest(checksum, digest, &length);
    memcpy(&check, digest, sizeof(check));
    return check;
}

/* How many bytes the record at the beginning of the data takes; 0: there is no whole one. */
static gsize take_record(const guint8 *data, gsize size_bytes, Take take, gpointer user)
{
    Head head;
    if (size_bytes < sizeof(head))
        return 0;
    memcpy(&head, data, sizeof(head));
    gsize length = GUINT32_FROM_LE(head.size_bytes);
    if (length == 0 || length > MAX_RECORD_BYTES || length > size_bytes - sizeof(head) ||
        check_of(data + sizeof(head), length) != head.check)
        return 0;
    ProtobufCMessage *record =
        eg_proto_unpack(&egress__spool_record__descriptor, data + sizeof(head), length);
    if (record == NULL)
        return 0;
    take(user, (const Egress__SpoolRecord *)(gconstpointer)record);
    eg_proto_free(record);
    return sizeof(head) + length;
}

/* `*whole_bytes`: the length of what is whole. */
static bool take_all(const char *path, Take take, gpointer user, gsize *whole_bytes, GError **error)
{
    g_autofree char *data = NULL;
    g_autoptr(GError) failure = NULL;
    gsize size_bytes = 0;
    gsize offset = 0;
    gsize length;
    if (!g_file_get_contents(path, &data, &size_bytes, &failure)) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s", failure->message);
        return false;
    }
    while ((length = take_record((const guint8 *)data + offset, size_bytes - offset, take, user)) >
           0)
        offset += length;
    *whole_bytes = offset;
    return true;
}

EgJournal *eg_journal_open(const char *path, Take take, gpointer user, GError **error)
{
    int fd = g_open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        eg_error_set_errno(error, errno, "write", path);
        return NULL;
    }
    gsize whole_bytes;
    if (!take_all(path, take, user, &whole_bytes, error)) {
        close(fd);
        return NULL;
    }
    if (ftruncate(fd, (off_t)whole_bytes) != 0) {
        eg_error_set_errno(error, errno, "write", path);
        close(fd);
        return NULL;
    }
    EgJournal *journal = g_new0(EgJournal, 1);
    journal->path = g_strdup(path);
    journal->fd = fd;
    g_mutex_init(&journal->lock);
    return journal;
}

void eg_journal_free(EgJournal *journal)
{
    if (journal == NULL)
        return;
    close(journal->fd);
    g_mutex_clear(&journal->lock);
    g_free(journal->path);
    g_free(journal);
}

/* All or nothing: a disk that is full takes a part, behind which nothing could be read. */
static bool write_whole(int fd, const guint8 *data, gsize size_bytes)
{
    off_t start = lseek(fd, 0, SEEK_END);
    gsize written = 0;
    while (written < size_bytes) {
        gssize n = write(fd, data + written, size_bytes - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int errnum = errno;
            if (start >= 0 && ftruncate(fd, start) != 0)
                return false;
            errno = errnum;
            return false;
        }
        written += (gsize)n;
    }
    return true;
}

bool eg_journal_append(EgJournal *journal, const Egress__SpoolRecord *record, bool is_synced,
                       GError **error)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    g_autoptr(GBytes) payload = eg_proto_pack(&record->base);
    gsize size_bytes;
    const guint8 *bytes = g_bytes_get_data(payload, &size_bytes);
    const Head head = {
        .size_bytes = GUINT32_TO_LE((guint32)size_bytes),
        .check = check_of(bytes, size_bytes),
    };
    g_byte_array_append(data, (const guint8 *)&head, sizeof(head));
    g_byte_array_append(data, bytes, (guint)size_bytes);
    g_mutex_lock(&journal->lock);
    bool is_written = write_whole(journal->fd, data->data, data->len);
    int errnum = errno;
    g_mutex_unlock(&journal->lock);
    /* Not under the lock: whoever writes next need not wait for the disk. */
    if (is_written && is_synced && fdatasync(journal->fd) != 0) {
        is_written = false;
        errnum = errno;
    }
    if (!is_written)
        eg_error_set_errno(error, errnum, "write", journal->path);
    return is_written;
}

bool eg_journal_read(const char *path, Take take, gpointer user)
{
    gsize whole_bytes;
    return take_all(path, take, user, &whole_bytes, NULL) && whole_bytes > 0;
}
