#pragma once

#include <gst/gst.h>

#include "base/log.h"
#include "base/loop.h"
#include "request/format.h"
#include "sink/sink-class.h"

/* The thread that writes a file: it takes frames from a bounded queue, a batch every few hundred
 * milliseconds, which then is one fragment (MP4), cluster (WebM) or page of the file. */
typedef struct _EgFileWriter EgFileWriter;

typedef struct {
    const EgLog *log;
    const char *path;
    EgFormat format;
    GstCaps *audio; /* NULL: none. Borrowed, like everything here */
    GstCaps *video;
    bool is_fragmented;   /* as in EgSinkParams */
    EgSinkTeller *teller; /* is told of each batch; NULL: nobody is */
} EgFileWriterParams;

/* On the loop's thread, once: the file is in its place, or what went wrong. */
typedef void (*EgFileWriterFunc)(gpointer user, const GError *error);

EgFileWriter *eg_file_writer_new(EgLoop *loop, const EgFileWriterParams *params,
                                 EgFileWriterFunc ended, gpointer user, GError **error);

/* What was pushed is written to the unfinished file, which is closed and stays under its name,
 * unless it is empty. Waits for the disk, but not for one that has hung: that thread is left to
 * itself. NULL is fine. */
void eg_file_writer_free(EgFileWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgFileWriter, eg_file_writer_free)

/* Any thread; (transfer full); never blocks. */
void eg_file_writer_push(EgFileWriter *writer, EgMedia media, GstBuffer *frame);

/* Completes the file, then `ended`. */
void eg_file_writer_finish(EgFileWriter *writer);

/* Rises while the thread gets on. Any thread. */
gint eg_file_writer_progress(const EgFileWriter *writer);

/* The thread has hung; it will not be waited for, nor heard. */
void eg_file_writer_abandon(EgFileWriter *writer);

guint64 eg_file_writer_size_bytes(const EgFileWriter *writer); /* any thread */
