#pragma once

#include <gst/gst.h>

#include "base/log.h"
#include "base/loop.h"

/* A private screen that a browser draws on, and that is looked at `fps` times a second. One row of
 * the table in display.c for each way to have one. Session thread only; callbacks come from the
 * loop. */
typedef struct _EgDisplay EgDisplay;

typedef enum {
    EG_DISPLAY_NONE,
    EG_DISPLAY_X11,     /* an X server (Xvfb) whose framebuffer is mapped */
    EG_DISPLAY_WAYLAND, /* a compositor in this process, without a server */
    EG_N_DISPLAYS,
} EgDisplayKind;

typedef struct {
    EgDisplayKind kind;
    guint width; /* of what is seen, in pixels; even */
    guint height;
    guint fps;
    const char *folder;             /* private; sockets go there. Outlives the display */
    const char *const *environment; /* of programs in it (eg_run_folder_environment()) */
    gint64 start_timeout_ns;        /* how long it may take to be ready; 0: 30 seconds */
    const EgLog *log;
} EgDisplayParams;

typedef struct {
    /* Once: programs can connect. */
    void (*ready)(gpointer user);
    /* What is seen (transfer full): I420, BT.709 limited range, in GStreamer's default layout for
     * the size. PTS is the instant (monotonic ns) at which it is seen, to half of a picture's time
     * (see display/sampling.h); they are exactly 1 / fps apart, but for instants that were missed
     * (GstBuffer's memory is shared with the one before if nothing has changed). Between
     * eg_display_start() and eg_display_stop(). */
    void (*picture)(gpointer user, GstBuffer *picture);
    /* It is gone. The last one. */
    void (*failed)(gpointer user, const GError *error);
} EgDisplayEvents;

typedef struct {
    guint64 pictures;  /* put out */
    guint64 unchanged; /* ... of these, without a change since the one before */
    guint64 missed;    /* instants for which there is no picture, since the thread was busy */
} EgDisplayStats;

EgDisplay *eg_display_new(EgLoop *loop, const EgDisplayParams *params,
                          const EgDisplayEvents *events, gpointer user, GError **error);
void eg_display_free(EgDisplay *display);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgDisplay, eg_display_free)

/* What a program needs to find it, "NAME=value"; and the flags that Chromium needs for it. Both end
 * with NULL, are the display's, and valid from `ready` on. */
const char *const *eg_display_environment(const EgDisplay *display);
const char *const *eg_display_browser_flags(const EgDisplay *display);

/* Pictures follow, the first one within a picture's time. */
void eg_display_start(EgDisplay *display);
void eg_display_stop(EgDisplay *display);

void eg_display_get_stats(const EgDisplay *display, EgDisplayStats *stats);

/* "x11", as in the configuration; NONE for a name that is none. */
EgDisplayKind eg_display_kind_from_name(const char *name);
const char *eg_display_kind_name(EgDisplayKind kind);
