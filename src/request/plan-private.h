#pragma once

#include "request/encoding.h"
#include "request/plan.h"

/* What the parts of eg_plan_new() have in common. Strings and messages belong to the request. */

/* One output that a request names, of whichever shape; see plan-outputs.c. */
typedef struct {
    EgOutputKind kind; /* NONE: it does not say */
    const char *filepath;
    Livekit__EncodedFileType file_type;
    const Livekit__SegmentedFileOutput *segments;
    const Livekit__ImageOutput *images;
    const char *url;                  /* of a stream or WebSocket */
    const char *id;                   /* of a stream; NULL or "": it has none */
    Livekit__StreamProtocol protocol; /* that it must be of */
    const ProtobufCMessage *store;    /* one of those of stores; NULL: the configuration's */
} EgOutputRequest;

/* All of them. Streams are counted as the request lists them: each may have several URLs. */
typedef struct {
    GArray *requests; /* EgOutputRequest */
    guint counts[EG_N_OUTPUTS];
    bool may_repeat;     /* several of one kind are all right */
    const char *problem; /* of a stream: the field that is wrong; NULL: none */
} EgPlanOutputs;

typedef struct {
    const char *room_name;
    bool has_no_room; /* a web page: neither room nor token nor URL of a server */
    EgPlanOutputs outputs;
    EgEncodingRequest encoding;
    double cpu_cost;
    gint64 memory_cost_bytes;
} EgPlanDraft;

/* Parses one kind of request: fills the draft and the plan's selection. False and an error. */
typedef bool (*EgPlanParse)(const Rpc__StartEgressRequest *request, const EgConfig *config,
                            EgPlanDraft *draft, EgPlan *plan, GError **error);

bool eg_plan_parse_room_composite(const Rpc__StartEgressRequest *request, const EgConfig *config,
                                  EgPlanDraft *draft, EgPlan *plan, GError **error);
bool eg_plan_parse_web(const Rpc__StartEgressRequest *request, const EgConfig *config,
                       EgPlanDraft *draft, EgPlan *plan, GError **error);
bool eg_plan_parse_participant(const Rpc__StartEgressRequest *request, const EgConfig *config,
                               EgPlanDraft *draft, EgPlan *plan, GError **error);
bool eg_plan_parse_track_composite(const Rpc__StartEgressRequest *request, const EgConfig *config,
                                   EgPlanDraft *draft, EgPlan *plan, GError **error);
bool eg_plan_parse_track(const Rpc__StartEgressRequest *request, const EgConfig *config,
                         EgPlanDraft *draft, EgPlan *plan, GError **error);
bool eg_plan_parse_egress(const Rpc__StartEgressRequest *request, const EgConfig *config,
                          EgPlanDraft *draft, EgPlan *plan, GError **error);
bool eg_plan_parse_replay(const Rpc__StartEgressRequest *request, const EgConfig *config,
                          EgPlanDraft *draft, EgPlan *plan, GError **error);

/* What requests of both generations say of a room or a page as a whole. */
typedef struct {
    bool is_audio_only;
    bool is_video_only;
    const char *layout;
    const char *custom_base_url;
    Livekit__AudioMixing mixing;
} EgPlanTemplate;

bool eg_plan_select_template(const EgPlanTemplate *template, const EgConfig *config,
                             EgPlanDraft *draft, EgPlan *plan, GError **error);

/* The same of a page. */
typedef struct {
    const char *url;
    bool is_audio_only;
    bool is_video_only;
    bool awaits_signal;
} EgPlanWeb;

bool eg_plan_select_web(const EgPlanWeb *web, const EgConfig *config, EgPlanDraft *draft,
                        EgPlan *plan, GError **error);

/* A rule for one track; nothing for an id that is not set. */
void eg_plan_select_track(EgPlan *plan, EgMedia media, const char *track_id);

/* The lists of a request of the first generation, and the single outputs that were before them
 * (NULL, or 0, if they are not set). */
typedef struct {
    Livekit__EncodedFileOutput *const *files;
    gsize n_files;
    const Livekit__EncodedFileOutput *file;
    Livekit__StreamOutput *const *streams;
    gsize n_streams;
    const Livekit__StreamOutput *stream;
    Livekit__SegmentedFileOutput *const *segment_lists;
    gsize n_segment_lists;
    const Livekit__SegmentedFileOutput *segments;
    Livekit__ImageOutput *const *images;
    gsize n_images;
} EgPlanOutputLists;

void eg_plan_read_lists(const EgPlanOutputLists *lists, EgPlanOutputs *outputs);
void eg_plan_read_outputs(const Livekit__StartEgressRequest *request, EgPlanOutputs *outputs);
void eg_plan_read_track(const Livekit__TrackEgressRequest *track, EgPlanOutputs *outputs);

/* From what is requested to the outputs of the plan, with their limits; formats that nothing names
 * are left to eg_encoding_settle(). Needs the plan's selection. */
bool eg_plan_settle_outputs(const EgPlanDraft *draft, const EgConfig *config, EgPlan *plan,
                            GError **error);

/* Where an output that has files goes: sets its storage and backup. */
bool eg_plan_settle_storage(const ProtobufCMessage *store, const EgConfig *config, EgOutput *output,
                            GError **error);

/* For the rows of plan-outputs.c: a path on this machine, or a key of the store, of a template that
 * is checked. A new string, or NULL and an error that names the field. */
char *eg_plan_settle_template(const char *field, const char *template, const EgStorage *storage,
                              const EgConfig *config, const EgPlan *plan, GError **error);

/* Such rows. */
bool eg_plan_settle_segments(const EgOutputRequest *request, const EgPlanDraft *draft,
                             const EgConfig *config, const EgPlan *plan, EgOutput *output,
                             GError **error);
bool eg_plan_settle_images(const EgOutputRequest *request, const EgPlanDraft *draft,
                           const EgConfig *config, const EgPlan *plan, EgOutput *output,
                           GError **error);

/* protobuf's empty string, or none. */
static inline bool eg_plan_is_empty(const char *text)
{
    return text == NULL || *text == '\0';
}
