#pragma once

#include "display/display.h"
#include "display/sampling.h"

/* For display.c, the displays of its table and their tests. What is said in display.h is done by
 * the core: it keeps the time, owns the memory of pictures and tells the user. A display draws. */

typedef struct {
    /* Starts it. Later, or from inside, eg_display_put_ready() or eg_display_put_failed(); without
     * either, it fails when its time is over. */
    bool (*open)(EgDisplay *display, GError **error);
    /* Frees `variant`; also after an open() that failed, whatever that has made. */
    void (*close)(EgDisplay *display);
    /* Draws what is seen now, as I420; false and nothing drawn if it is what the last capture drew.
     * Not before it is ready; the first time always true. */
    bool (*capture)(EgDisplay *display, guint8 *const planes[3], const gsize strides[3]);
    /* At each look from `ready` on, after capture() if there is one. May be NULL. */
    void (*ticked)(EgDisplay *display);
} EgDisplayClass;

typedef enum {
    EG_DISPLAY_STATE_NONE, /* opening */
    EG_DISPLAY_STATE_READY,
    EG_DISPLAY_STATE_SHOWING, /* between start and stop */
    EG_DISPLAY_STATE_FAILED,
} EgDisplayState;

struct _EgDisplay {
    /* const after new; displays may use these */
    const EgDisplayClass *class;
    EgLoop *loop;
    EgDisplayParams params; /* `environment` is our copy */
    gpointer variant;       /* the display's own */

    /* of the core alone */
    EgDisplayEvents events;
    gpointer user;
    GPtrArray *environment; /* char *, ends with NULL */
    GPtrArray *flags;       /* the same */
    EgDisplayState state;
    GError *error;        /* why it failed */
    EgTimer *start_timer; /* until it is ready */
    EgTimer *news_timer;  /* tells `ready` or `failed` */
    EgTimer *tick_timer;
    gint64 origin_ns; /* instant 0 */
    guint64 tick;     /* the next one */
    EgSampling sampling;
    gint64 sampling_origin_ns; /* its 0 */
    guint base_phase;          /* of the instants */
    gint shift;                /* of the looks */
    gint64 looked_ns;          /* the last one */
    gsize plane_offsets[3];
    gsize strides[3];
    gsize picture_bytes;
    GPtrArray *memories; /* GstMemory: of pictures out there, and some free ones */
    GstMemory *newest;   /* what the last capture drew; one of them; NULL: none was */
    EgDisplayStats stats;
};

/* eg_display_new() for a class that is not in the table; `params->kind` is not looked at. */
EgDisplay *eg_display_new_of_class(EgLoop *loop, const EgDisplayClass *class,
                                   const EgDisplayParams *params, const EgDisplayEvents *events,
                                   gpointer user, GError **error);

/* News of a display; the user hears of it from the loop. After a failure nothing else is told. */
void eg_display_put_ready(EgDisplay *display);
void eg_display_put_failed(EgDisplay *display, const GError *error);

/* In open(): at how many instants within a picture's time it may be looked at; 1 otherwise. */
void eg_display_set_phases(EgDisplay *display, guint n_phases);

/* What is seen has just changed, from `ready` on. */
void eg_display_put_changed(EgDisplay *display);

/* In ticked(): when it was to be looked at, in monotonic ns, which has just passed. */
gint64 eg_display_get_look(const EgDisplay *display);

/* In ticked(): at which of the instants of eg_display_set_phases() that was, from 0. */
guint eg_display_get_phase(const EgDisplay *display);

/* Before it is ready: one more of eg_display_environment() and eg_display_browser_flags(). */
void eg_display_add_environment(EgDisplay *display, const char *name, const char *value);
void eg_display_add_browser_flag(EgDisplay *display, const char *flag);
