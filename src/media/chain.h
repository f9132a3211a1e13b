#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "base/loop.h"

/* A small pipeline of its own, `appsrc ! elements ! appsink`, without a clock: a decoder or an
 * encoder. It runs as fast as its elements can, in one streaming thread (and those of the codec).
 * Owner's thread only, unless said otherwise. */
typedef struct _EgChain EgChain;

/* All on the loop's thread. */
typedef struct {
    /* What comes out, (transfer full). When the loop is slow the elements wait. */
    void (*sample)(gpointer user, GstSample *sample);
    /* What samples will be, before the first and at each change; may be NULL. */
    void (*caps)(gpointer user, GstCaps *caps);
    void (*ended)(gpointer user);                       /* after the last sample */
    void (*failed)(gpointer user, const GError *error); /* once */
} EgChainEvents;

typedef struct {
    const char *elements;  /* in gst-launch notation */
    const char *doing;     /* for error texts: "decode H264" */
    GstCaps *caps;         /* of what is pushed; NULL: said later. Borrowed */
    guint max_samples_out; /* that wait for the loop before the elements wait */
} EgChainParams;

EgChain *eg_chain_new(EgLoop *loop, const EgChainParams *params, const EgChainEvents *events,
                      gpointer user, GError **error);

/* No callback comes afterwards; what is inside is dropped. NULL is fine. */
void eg_chain_free(EgChain *chain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgChain, eg_chain_free)

void eg_chain_set_caps(EgChain *chain, GstCaps *caps);

/* (transfer full). Never blocks; the caller bounds the queue by eg_chain_queued(). */
void eg_chain_push(EgChain *chain, GstBuffer *buffer);

/* A serialised event, in its place among the buffers; (transfer full). */
void eg_chain_push_event(EgChain *chain, GstEvent *event);

/* How many pushed buffers the elements have not taken yet. Any thread. */
guint eg_chain_queued(const EgChain *chain);

/* No more is pushed: what is inside comes out, then `ended`. */
void eg_chain_end(EgChain *chain);

/* Named in `elements`; (transfer full), NULL if there is none. */
GstElement *eg_chain_get_element(EgChain *chain, const char *name);

/* Appends its pipeline in the language of Graphviz. */
void eg_chain_describe(const EgChain *chain, GString *text);
