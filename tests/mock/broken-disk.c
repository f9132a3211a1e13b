#include "mock/broken-disk.h"

#include <errno.h>
#include <gmodule.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct stat broken;
static goffset broken_offset = -1; /* none is */

void broken_disk_set(const char *path, goffset offset)
{
    broken_offset = path != NULL ? offset : -1;
    if (path != NULL)
        g_assert_cmpint(stat(path, &broken), ==, 0);
}

static bool is_broken(int fd, goffset end)
{
    struct stat status;
    return broken_offset >= 0 && end > broken_offset && fstat(fd, &status) == 0 &&
           status.st_dev == broken.st_dev && status.st_ino == broken.st_ino;
}

static ssize_t read_at(int fd, void *data, size_t size, goffset at)
{
    if (is_broken(fd, at + (goffset)size)) {
        if (at >= broken_offset) {
            errno = EIO;
            return -1;
        }
        size = (size_t)(broken_offset - at);
    }
    return syscall(SYS_pread64, fd, data, size, at);
}

/* In place of libc's, also for the libraries. */

G_MODULE_EXPORT ssize_t read(int fd, void *data, size_t size)
{
    goffset at = broken_offset >= 0 ? lseek(fd, 0, SEEK_CUR) : -1;
    if (at < 0)
        return syscall(SYS_read, fd, data, size);
    ssize_t got = read_at(fd, data, size, at);
    if (got > 0)
        lseek(fd, at + got, SEEK_SET);
    return got;
}

G_MODULE_EXPORT ssize_t pread(int fd, void *data, size_t size, off_t at)
{
    return read_at(fd, data, size, at);
}
