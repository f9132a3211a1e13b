#pragma once

#include "source/display.h"
#include "unit/source/wayland-client.h"

/* A Wayland display, and a client of it in a thread of the test's. */
typedef struct {
    EgLoop *loop;
    char *folder;
    EgDisplay *display;
    const char *socket; /* from `ready` on */
    GstBuffer *newest;  /* picture; of the loop's thread */

    void (*program)(gpointer fixture);
    bool is_done; /* the thread is */

    /* By wayland_look(). */
    GMutex lock;
    GCond looked;
    bool is_looking;
    GstBuffer *picture;
    EgDisplayStats stats;
} Fixture;

#define OUTPUT_WIDTH  64
#define OUTPUT_HEIGHT 48
#define OUTPUT_FPS    60

/* Of all tests; pictures come then. */
void wayland_set_up(Fixture *f, gconstpointer data);
void wayland_tear_down(Fixture *f, gconstpointer data);

/* Runs it in a thread, and the loop meanwhile. */
void wayland_run(Fixture *f, void (*program)(gpointer fixture));

/* In the thread: takes the newest picture, and the figures. */
void wayland_look(Fixture *f);

/* The same, and that the 2 x 2 pixels there have this colour, 0xRRGGBB. */
void wayland_expect(Fixture *f, guint x, guint y, guint32 colour);

/* A window that fills the output with the colour, as it is seen then. */
typedef struct {
    Client *client;
    Window *window;
    Buffer *buffer;
} Page;

Page *page_new(Fixture *f, guint32 colour);
void page_free(Page *page);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Page, page_free)
