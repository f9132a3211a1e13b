/* What a session asks of its graph. */
#include "session/session-private.h"

#include <math.h>

#include "base/time.h"

/* Of the Opus that sound becomes which no container takes as it is. */
#define SPEECH_BITRATE_BPS 64000
#define OPUS_RATE_HZ       48000

/* What no container takes as it is (telephone codecs) is encoded after all. */
static void adapt(EgGraphParams *params, const EgPublication *publication)
{
    if (params->processing != EG_PROCESSING_PASSTHROUGH || publication == NULL ||
        publication->media != EG_MEDIA_AUDIO || publication->codec == EG_CODEC_NONE ||
        eg_format_for_codecs(publication->codec, EG_CODEC_NONE) != EG_FORMAT_NONE)
        return;
    params->processing = EG_PROCESSING_ENCODE;
    params->audio = (EgAudioEncoding){
        .codec = EG_CODEC_OPUS,
        .bitrate_bps = SPEECH_BITRATE_BPS,
        .rate_hz = OPUS_RATE_HZ,
        .channels = 2,
    };
}

static bool wants_pictures(const EgPlan *plan)
{
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].kind == EG_OUTPUT_IMAGES)
            return true;
    }
    return false;
}

bool eg_session_open_graph(EgSession *session, const EgSourceFacts *facts, GError **error)
{
    const EgPlan *plan = session->plan;
    EgGraphParams params = {
        .processing = plan->processing,
        .video = plan->video,
        .audio = plan->audio,
        .wants_pictures = wants_pictures(plan),
        .video_encoder = session->config->video_encoder,
        .key_frame_interval_ns = llrint(plan->video.key_frame_interval_s * (double)EG_NS_PER_S),
        .latency_ns = plan->latency_ns,
        .may_have_audio = eg_selection_is_open(&plan->selection, EG_MEDIA_AUDIO),
        .may_have_video = eg_selection_is_open(&plan->selection, EG_MEDIA_VIDEO),
    };
    adapt(&params, facts->publication);
    session->graph = eg_graph_new(session->loop, &params, session->log, &eg_session_graph_events,
                                  session, error);
    return session->graph != NULL;
}
