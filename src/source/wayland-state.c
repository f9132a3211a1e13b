/* What a client sets piece by piece and commits at once. */
#include "source/wayland-surface.h"

void eg_wayland_state_init(EgWaylandState *state)
{
    *state = (EgWaylandState){
        .scale = 1,
        .transform = WL_OUTPUT_TRANSFORM_NORMAL,
        .source = {0,                      0, wl_fixed_from_int(-1), wl_fixed_from_int(-1)},
        .destination = {-1, -1 },
    };
    wl_list_init(&state->frames);
    wl_list_init(&state->reports);
}

static void destroy_frames(struct wl_list *frames)
{
    struct wl_resource *callback;
    struct wl_resource *next;
    wl_resource_for_each_safe(callback, next, frames) wl_resource_destroy(callback);
}

void eg_wayland_state_finish(EgWaylandState *state)
{
    eg_wayland_buffer_unuse(state->buffer);
    destroy_frames(&state->frames);
    eg_wayland_presentation_discard(&state->reports);
}

/* To the end, so that they are answered in their order. */
static void move_list(struct wl_list *to, struct wl_list *from)
{
    wl_list_insert_list(to->prev, from);
    wl_list_init(from);
}

/* The same pixels. */
static bool is_shown_otherwise(const EgWaylandState *state, const EgWaylandState *other)
{
    return state->scale != other->scale || state->transform != other->transform ||
           memcmp(state->source, other->source, sizeof(state->source)) != 0 ||
           memcmp(state->destination, other->destination, sizeof(state->destination)) != 0;
}

void eg_wayland_state_merge(EgWaylandState *to, EgWaylandState *from)
{
    if (from->is_attached) {
        eg_wayland_buffer_unuse(to->buffer);
        to->buffer = from->buffer;
        to->is_attached = true;
        from->buffer = NULL;
        from->is_attached = false;
    }
    to->is_damaged |= from->is_damaged || is_shown_otherwise(to, from);
    from->is_damaged = false;
    to->scale = from->scale;
    to->transform = from->transform;
    memcpy(to->source, from->source, sizeof(to->source));
    memcpy(to->destination, from->destination, sizeof(to->destination));
    move_list(&to->frames, &from->frames);
    /* What was to be shown before has been replaced. */
    eg_wayland_presentation_discard(&to->reports);
    move_list(&to->reports, &from->reports);
}
