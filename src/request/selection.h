#pragma once

#include <glib.h>
#include <stdbool.h>

#include "request/codec.h"

/* Which tracks of a room are recorded, where their sound goes, and which picture is shown: rules,
 * so that nobody after the plan asks what kind of request it was. */

typedef enum {
    EG_TRACK_SOURCE_UNKNOWN, /* the numbers of livekit.TrackSource */
    EG_TRACK_SOURCE_CAMERA,
    EG_TRACK_SOURCE_MICROPHONE,
    EG_TRACK_SOURCE_SCREEN_SHARE,
    EG_TRACK_SOURCE_SCREEN_SHARE_AUDIO,
} EgTrackSource;

/* "screen_share", as {track_source} and the manifest have it. Static. */
const char *eg_track_source_name(EgTrackSource source);

/* Where a track's sound goes in a stereo output. */
typedef enum {
    EG_ROUTE_NONE,
    EG_ROUTE_BOTH,
    EG_ROUTE_LEFT,
    EG_ROUTE_RIGHT,
    EG_ROUTE_ALTERNATE, /* the first such track left, the next right, and so on */
} EgRoute;

typedef enum {
    EG_SHARE_ANY,
    EG_SHARE_NO,  /* camera, microphone and what has no source */
    EG_SHARE_YES, /* screen share and its sound */
} EgShare;

#define EG_KIND_ANY (-1)

/* Matches the tracks that agree with all that is set. */
typedef struct {
    char *track_id; /* or NULL */
    char *identity; /* or NULL */
    gint kind;      /* livekit.ParticipantInfo.Kind of the publisher, or EG_KIND_ANY */
    EgShare share;
    EgRoute route; /* of sound */
} EgRule;

typedef enum {
    EG_LIFETIME_NONE,
    EG_LIFETIME_ROOM,        /* until the room ends, whoever is in it */
    EG_LIFETIME_PARTICIPANT, /* `identity` is waited for, and ends it by leaving */
    EG_LIFETIME_TRACKS,      /* until none of the tracks that the rules name is left */
} EgLifetime;

typedef struct {
    GArray *audio; /* EgRule: of those that match a track the first counts */
    GArray *video; /* EgRule: of all tracks that match, that of the earliest rule is shown */
    EgLifetime lifetime;
    char *identity; /* with EG_LIFETIME_PARTICIPANT */
} EgSelection;

/* What is known of a track that could be recorded. */
typedef struct {
    const char *track_id;
    const char *identity;
    gint kind;
    EgMedia media;
    EgTrackSource source;
} EgCandidate;

void eg_selection_init(EgSelection *selection); /* with no rules */
void eg_selection_clear(EgSelection *selection);

/* A rule that matches everything of that kind of media, to be narrowed; its strings belong to the
 * selection. Valid until the next call. */
EgRule *eg_selection_add(EgSelection *selection, EgMedia media, EgRoute route);

/* The rule by which a track is recorded, NULL if it is not; `*rank` (may be NULL) is its place
 * among its kind: 0 is preferred. */
const EgRule *eg_selection_match(const EgSelection *selection, const EgCandidate *candidate,
                                 guint *rank);

bool eg_selection_has(const EgSelection *selection, EgMedia media);

/* Whether tracks that are not named may come at any time. */
bool eg_selection_is_open(const EgSelection *selection, EgMedia media);

/* The track ids that rules name, each once; ends with NULL; the strings are the selection's. The
 * caller frees the array with g_free(). */
const char **eg_selection_named_tracks(const EgSelection *selection);
